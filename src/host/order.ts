/** One order to a guest's agent, and its answer as text. */
import type { HelloReply, StartReply, StatusReply, StopReply } from "../protocol/replies.ts";
import { findHostPorts, type GuestDirectory } from "./guest-directory.ts";
import { lockGuest } from "./guest-lock.ts";
import { ControlPort } from "./host-port.ts";
import { noAgentError, Session } from "./session.ts";
import { table } from "./table.ts";

export type GuestOrder = "start" | "stop" | "status";
type Answer = StartReply | StopReply | StatusReply;

const words: Record<GuestOrder, string> = { start: "1", stop: "0", status: "status" };

export async function giveOrder(guest: GuestDirectory, order: GuestOrder, json: boolean): Promise<string> {
  const ports = findHostPorts(guest);
  const unlock = lockGuest(guest, order);
  try {
    const control = new ControlPort(ports.control);
    try {
      const session = new Session(guest, control);
      const hello = await session.hello();
      if (hello === undefined) throw noAgentError(guest);
      const { reply } = await session.request(words[order], order);
      return json ? `${JSON.stringify({ hello, ...reply })}\n` : answerText(guest.guest, hello, reply);
    } finally {
      control.close();
    }
  } finally {
    unlock();
  }
}

function answerText(guest: string, hello: HelloReply, reply: Answer): string {
  const who = `${guest} (${hello.hostname}, Linux ${hello.kernel} ${hello.machine}, trace-agent ${hello.version}): ${reply.state}\n`;
  if (reply.reply !== "status") {
    return who + table(["CPU", "bytes"], reply.streams.map(({ cpu, bytes }) => [`${cpu}`, `${bytes}`]));
  }
  const head = ["CPU", "state", "port", "bytes", "read events", "in buffer", "overrun", "dropped", "lost bytes", "waits"];
  const rows = reply.cpus.map((cpu) => [
    `${cpu.cpu}`,
    cpu.state,
    cpu.port,
    ...[cpu.bytes, cpu.readEvents, cpu.entries, cpu.overrun, cpu.commitOverrun + cpu.droppedEvents, cpu.lostBytes, cpu.backpressure].map(String),
  ]);
  return who + table(head, rows);
}
