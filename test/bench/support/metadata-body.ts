/** Metadata that an agent is asked for, and when all of them are there. */
import type { PortDirectory } from "../../support/agent-process.ts";
import { type Child, hasEnded, waitLimitMs } from "./child.ts";

/** Gives the order, and looks at the agent again and again until it has told all; fails when it ends before, or tells nothing. */
export async function tellMetadata(ports: PortDirectory, agent: Child, order: string, look: () => void): Promise<void> {
  ports.replies.take();
  ports.order(`${order}\n`);
  const deadline = performance.now() + waitLimitMs;
  while (!isWholeBody(ports.replies.peek())) {
    if (hasEnded(agent)) throw new Error(`the agent ended before it had answered "${order}"`);
    if (performance.now() > deadline) throw new Error(`not answered within ${waitLimitMs} ms: "${order}"`);
    look();
    await Bun.sleep(1);
  }
}

/** The last frame is there: of sections it says so itself, of all metadata the announced bytes have come. */
function isWholeBody(bytes: Buffer): boolean {
  let begin = 0;
  for (;;) {
    const end = bytes.indexOf("\n", begin);
    if (end < 0) return false;
    const text = bytes.toString("latin1", begin, end);
    begin = end + 1;
    // An agent that is busy for long says so, before its answer and after it.
    if (text === "" || text.startsWith('{"reply":"progress"')) continue;
    const line = JSON.parse(text) as { bytes?: number };
    if (line.bytes !== undefined) return bytes.length >= begin + line.bytes;
    const last = bytes.lastIndexOf('"last":true}\n');
    return last >= 0 && bytes.indexOf('{"end":true}\n', last) >= 0;
  }
}
