/** An order to the agents of guests, and their answers as text or JSON. */
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { table } from "../../base/table.ts";
import type { HelloReply, StartReply, StatusReply, StopReply } from "../../protocol/replies.ts";
import { findHostPorts, type GuestDirectory, guestTitle } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import { withControlPort } from "./attach.ts";
import { lockGuest } from "./guest-lock.ts";
import { PortLoop } from "./port-loop.ts";
import { noAgentError } from "./no-agent.ts";
import type { Waiting } from "./session.ts";
import { StatusLine } from "./status-line.ts";

/** The agent's progress at a stop: it hands over what it has, and has no end while nobody reads its data ports (protocol/README.md). */
const flushing = "flush";
const readerAwaited = "hands over what it has, and nobody reads its data ports: waiting for a reader";
const readerRemedy = "read its data ports, as trace-agent record does: its agent stops when all was taken";

/** A reader takes it within moments. */
function waitsForReader({ word, sinceMs }: Waiting): boolean {
  return word === flushing && performance.now() - sinceMs >= hostLimits.waitToldMs;
}

export type GuestOrder = "start" | "stop" | "status";
type Reply = StartReply | StopReply | StatusReply;
type Answer = { hello: HelloReply; reply: Reply };
export type OrderOptions = {
  json: boolean;
  waitMs: number | undefined;
  /** Answers are printed as those of several guests, also where there is one. */
  several: boolean;
  /** Names that the user gave: that one of them does not answer is an error. */
  required: ReadonlySet<string>;
};

/** Prints what the guests answered. Throws where one that is required did not, or none did; the others are printed before. */
export async function giveOrder(
  guests: readonly GuestDirectory[],
  order: GuestOrder,
  { json, waitMs, several, required }: OrderOptions,
  print: (text: string) => void,
): Promise<void> {
  const loop = new PortLoop();
  const line = new StatusLine();
  try {
    const show = (waiting: Waiting): void => line.showWait(waiting);
    const asked = guests.map((guest) => ask(guest, order, { waitMs, loop, show }));
    const ends = await Promise.allSettled(asked);
    line.clear();
    const answers: { machine: string; answer: Answer }[] = [];
    const failures: { machine: string; error: unknown }[] = [];
    for (const [index, { guest: machine }] of guests.entries()) {
      const end = ends[index];
      if (end?.status === "fulfilled") answers.push({ machine, answer: end.value });
      else failures.push({ machine, error: end?.reason });
    }
    if (several) print(json ? jsonOf(answers, failures) : textOf(order, answers));
    else for (const { machine, answer } of answers) print(json ? oneJson(answer) : answerText(machine, answer));
    judge(failures, required, answers.length);
  } finally {
    line.clear();
    loop.close();
  }
}

async function ask(
  guest: GuestDirectory,
  order: GuestOrder,
  { waitMs, loop, show }: { waitMs: number | undefined; loop: PortLoop; show: (waiting: Waiting) => void },
): Promise<Answer> {
  const { control } = findHostPorts(guest);
  const unlock = lockGuest(guest, order);
  try {
    return await withControlPort(
      guest,
      control,
      async (session) => {
        session.onWait = (waiting) =>
          show(waitsForReader(waiting) ? { ...waiting, what: `${guestTitle(guest)} ${readerAwaited}` } : waiting);
        const hello = await session.hello(waitMs);
        if (hello === undefined) throw noAgentError(guest);
        try {
          const { reply } = await session.request({ order }, order);
          return { hello, reply };
        } catch (error) {
          if (!(error instanceof AgentError && session.unresponsive && session.progress?.word === flushing))
            throw error;
          throw new AgentError(error.kind, error.message, { remedy: readerRemedy, cause: error });
        }
      },
      loop,
    );
  } finally {
    unlock();
  }
}

/** Of what is wrong the first is the error, all else a warning before it. */
function judge(
  failures: readonly { machine: string; error: unknown }[],
  required: ReadonlySet<string>,
  answered: number,
): void {
  const [first, ...others] = failures.toSorted(
    (a, b) =>
      Number(a.error instanceof AgentError) - Number(b.error instanceof AgentError) ||
      Number(required.has(b.machine)) - Number(required.has(a.machine)),
  );
  for (const { error } of others) log.warn(messageOf(error));
  if (first === undefined) return;
  if (!(first.error instanceof AgentError) || required.has(first.machine) || answered === 0) throw first.error;
  log.warn(messageOf(first.error));
}

function oneJson({ hello, reply }: Answer): string {
  return `${JSON.stringify({ hello, ...reply })}\n`;
}

function jsonOf(
  answers: readonly { machine: string; answer: Answer }[],
  failures: readonly { machine: string; error: unknown }[],
): string {
  const all = [
    ...answers.map(({ machine, answer: { hello, reply } }) => ({ machine, hello, ...reply })),
    ...failures.map(({ machine, error }) => ({ machine, error: messageOf(error) })),
  ];
  return `[${all.map((one) => JSON.stringify(one)).join(",\n")}]\n`;
}

/** A table of all CPUs of all guests. */
function textOf(order: GuestOrder, answers: readonly { machine: string; answer: Answer }[]): string {
  if (answers.length === 0) return "";
  const head = ["guest", "agent", ...(order === "status" ? statusHead : streamHead)];
  const rows = answers.flatMap(({ machine, answer: { reply } }) =>
    rowsOf(reply).map((row) => [machine, reply.state].concat(row)),
  );
  return table(head, rows, "left");
}

function answerText(guest: string, { hello, reply }: Answer): string {
  const who = `${guest} (${hello.hostname}, Linux ${hello.kernel} ${hello.machine}, trace-agent ${hello.version}): ${reply.state}\n`;
  return who + table(reply.reply === "status" ? statusHead : streamHead, rowsOf(reply));
}

const streamHead = ["CPU", "bytes"];
const statusHead = [
  "CPU",
  "state",
  "port",
  "bytes",
  "read events",
  "in buffer",
  "overrun",
  "dropped",
  "lost bytes",
  "waits",
];

function rowsOf(reply: Reply): string[][] {
  if (reply.reply !== "status") return reply.streams.map(({ cpu, bytes }) => [`${cpu}`, `${bytes}`]);
  return reply.cpus.map((cpu) => [
    `${cpu.cpu}`,
    cpu.state,
    cpu.port,
    ...[
      cpu.bytes,
      cpu.readEvents,
      cpu.entries,
      cpu.overrun,
      cpu.commitOverrun + cpu.droppedEvents,
      cpu.lostBytes,
      cpu.backpressure,
    ].map(String),
  ]);
}
