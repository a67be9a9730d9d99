/** The events of a recording in order of time, and as JSON lines; slow and simple, as a measure of `report --json`. */
import { type Format, formatsOf, jsonOf, textOf } from "./fields.ts";
import { Order, type TraceBuffer, type TraceDat } from "./model.ts";
import { type ClockAdjustment, clockAdjustment } from "./clock.ts";
import { subBuffersOf } from "./sub-buffers.ts";

export type Entry =
  | { kind: "event"; cpu: number; time: bigint; data: Buffer; format: Format | undefined }
  | { kind: "lost"; cpu: number; time: bigint; count: bigint };

/** Of equal times the lower CPU's comes first. A loss comes before the event that follows it. */
export function entriesOf(dat: TraceDat, buffer: TraceBuffer): Entry[] {
  const formats = formatsOf(dat);
  const order = new Order(dat.bigEndian);
  const adjust: ClockAdjustment = clockAdjustment(dat);
  const lists = buffer.cpus.map(({ cpu, data }) =>
    subBuffersOf(dat, data).flatMap((sub): Entry[] => {
      const events = sub.pieces
        .filter(({ kind }) => kind === "event")
        .map(({ dataAt, dataBytes, time }): Entry => {
          const bytes = sub.bytes.subarray(dataAt, dataAt + dataBytes);
          const format = formats.get(order.number(bytes, 0, 2));
          return { kind: "event", cpu, time: adjust(time, cpu), data: bytes, format };
        });
      const first = events[0];
      if (sub.lost !== 0n && first !== undefined)
        events.unshift({ kind: "lost", cpu, time: first.time, count: sub.lost });
      return events;
    }),
  );
  return lists.flat().sort((a, b) => (a.time === b.time ? a.cpu - b.cpu : a.time < b.time ? -1 : 1));
}

/** `printed`: what a trace_printk prints, by entry; its arguments are binary, and the text is what a reader wants. */
export function jsonLines(dat: TraceDat, entries: readonly Entry[], printed: (index: number) => string): string {
  const order = new Order(dat.bigEndian);
  const names = new Map(
    dat.commands.split("\n").map((line) => {
      const [, pid = "", name = ""] = /^(\d+) (.*)$/.exec(line) ?? [];
      return [Number(pid), name];
    }),
  );
  names.set(0, "<idle>");
  return entries
    .map((entry, index) => {
      if (entry.kind === "lost") return `{"cpu":${entry.cpu},"lost":${entry.count < 0n ? "null" : entry.count}}\n`;
      const { cpu, time, data, format } = entry;
      const pid = Number(BigInt.asIntN(32, order.read(data, 4, 4)));
      const comm = JSON.stringify(textOf(Buffer.from(names.get(pid) ?? "<...>", "latin1")));
      const name = JSON.stringify(format?.name ?? null);
      const system = JSON.stringify(format?.system ?? null);
      const fields = (format?.fields ?? [])
        .filter(({ name: field }) => !field.startsWith("common_"))
        .map((field) => {
          const isText = format?.name === "bprint" && field.name === "buf";
          return `${JSON.stringify(field.name)}:${isText ? JSON.stringify(printed(index)) : jsonOf(field, data, order)}`;
        });
      learnNames(names, entry, order);
      const head = `{"cpu":${cpu},"time":${time},"comm":${comm},"pid":${pid},"event":${name},"system":${system}`;
      return `${head},"fields":{${fields.join(",")}}}\n`;
    })
    .join("");
}

/** A task without a name gets the one that a scheduler event tells, from the next event on, as trace-cmd report has it. */
function learnNames(names: Map<number, string>, { data, format }: Entry & { kind: "event" }, order: Order): void {
  if (format?.system !== "sched" || !["sched_switch", "sched_wakeup", "sched_wakeup_new"].includes(format.name)) return;
  for (const who of ["prev_", "next_", ""]) {
    const [comm, pid] = [`${who}comm`, `${who}pid`].map((name) => format.fields.find((field) => field.name === name));
    if (comm === undefined || pid === undefined) continue;
    const task = Number(order.read(data, pid.offset, pid.size));
    const text = data.toString("latin1", comm.offset, comm.offset + comm.size);
    if (!names.has(task)) names.set(task, text.slice(0, text.indexOf("\0")));
  }
}

/** Events by "system:event", and what was lost, of a buffer. */
export function countsOf(entries: readonly Entry[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const entry of entries) {
    const key =
      entry.kind === "lost"
        ? entry.count < 0n
          ? "lost, not counted"
          : "lost"
        : entry.format === undefined
          ? "(unknown)"
          : `${entry.format.system}:${entry.format.name}`;
    const add = entry.kind === "lost" && entry.count > 0n ? Number(entry.count) : 1;
    counts.set(key, (counts.get(key) ?? 0) + add);
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
