/** Metadata that an agent is asked for, and when all of them are there. */
import type { PortReader } from "../../support/port-reader.ts";
import { type Child, hasEnded, waitLimitMs } from "./child.ts";

/** What a recording with sched events orders: before its start, where the host lacks the symbols, and after its end. */
export const metadataOrders = {
  formats: "metadata formats:sched formats:ftrace tasks stats",
  symbols: "metadata kallsyms printk",
  atEnd: "metadata formats tasks stats",
} as const;
/** And in protocol 1. */
export const allMetadataOrders = ["metadata", "metadata"] as const;

type Ports = { replies: PortReader; order: (text: string) => void };

/** `agent`: where it is a process of this machine. Gives the order, and looks at the agent again and again until it has told all; fails when it ends before, or tells nothing. */
export async function tellMetadata(
  ports: Ports,
  agent: Child | undefined,
  order: string,
  look: () => void = () => {},
): Promise<void> {
  ports.replies.take();
  ports.order(`${order}\n`);
  const deadline = performance.now() + waitLimitMs;
  while (!isWholeBody(ports.replies.peek())) {
    if (agent !== undefined && hasEnded(agent)) throw new Error(`the agent ended before it had answered "${order}"`);
    if (performance.now() > deadline) throw new Error(`not answered within ${waitLimitMs} ms: "${order}"`);
    look();
    await Bun.sleep(1);
  }
}

type Line = { reply: string; bytes?: number; frames?: boolean; last?: boolean };

/** The announced bytes of one piece have come, or the last frame with all of its bytes. Short replies may stand between frames. */
export function isWholeBody(bytes: Buffer): boolean {
  for (let begin = 0; ;) {
    const end = bytes.indexOf("\n", begin);
    if (end < 0) return false;
    const text = bytes.toString("latin1", begin, end);
    begin = end + 1;
    // Of a line that came in two pieces the first may have been taken before the order.
    if (!text.startsWith("{")) continue;
    const { reply, bytes: length = 0, frames, last } = JSON.parse(text) as Line;
    const inOnePiece = reply === "metadata" && frames !== true;
    if (inOnePiece || last === true) return bytes.length >= begin + length;
    if (reply === "frame") begin += length;
  }
}
