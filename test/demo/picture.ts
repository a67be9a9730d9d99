/**
 * Draws a recording as an SVG, for the README: what ran on each CPU, and the interrupts above it.
 *
 *   bun test/demo/picture.ts trace.dat picture.svg [milliseconds]
 */
import { writeFileSync } from "node:fs";
import { openTraceDat } from "../../src/trace-dat/read/reader.ts";
import { EventIterator } from "../../src/timeline/event-iterator.ts";

type Slice = { cpu: number; from: number; to: number; name: string; pid: number };

const width = 960;
const left = 56;
const laneHeight = 40;
const runHeight = 20;
const interruptHeight = 8;
const top = 26;

const [path, output, milliseconds = "40"] = process.argv.slice(2);
if (path === undefined || output === undefined)
  throw new Error("usage: picture.ts TRACE.DAT PICTURE.SVG [MILLISECONDS]");
const spanNs = Number(milliseconds) * 1e6;

const source = openTraceDat(path);
const { runs, interrupts, cpus, title } = read();
source.close();
writeFileSync(output, draw());

function read(): { runs: Slice[]; interrupts: Slice[]; cpus: number[]; title: string } {
  const stream = new EventIterator(source);
  const runs: Slice[] = [];
  const interrupts: Slice[] = [];
  const running = new Map<number, Slice>();
  const entered = new Map<string, Slice>();
  while (stream.next()) {
    const { record, kind } = stream;
    if (kind === undefined) continue;
    const { cpu, timestamp } = record;
    const number = (name: string): number => kind.number(name)?.low(record) ?? 0;
    switch (kind.format.name) {
      case "sched_switch": {
        const before = running.get(cpu);
        if (before !== undefined && before.pid !== 0) runs.push({ ...before, to: timestamp });
        const comm = kind.text("next_comm");
        const at = record.at + (comm?.offset ?? 0);
        const name =
          Buffer.from(record.bytes.subarray(at, at + (comm?.size ?? 0)))
            .toString("latin1")
            .split("\0", 1)[0] ?? "";
        running.set(cpu, { cpu, from: timestamp, to: timestamp, name, pid: number("next_pid") });
        break;
      }
      case "irq_handler_entry":
      case "softirq_entry":
        entered.set(`${kind.format.name} ${cpu}`, {
          cpu,
          from: timestamp,
          to: timestamp,
          name: kind.format.name,
          pid: 0,
        });
        break;
      case "irq_handler_exit":
      case "softirq_exit": {
        const begin = entered.get(`${kind.format.name.replace("exit", "entry")} ${cpu}`);
        if (begin !== undefined) interrupts.push({ ...begin, to: timestamp });
        break;
      }
      default:
    }
  }
  return {
    runs,
    interrupts,
    cpus: [...source.cpus],
    title: `Linux ${/\d+\.\d+\S*/.exec(source.metadata.uname)?.[0] ?? ""}, ${milliseconds} ms`,
  };
}

/** The window in which the most tasks change. */
function busiest(): number {
  const starts = runs.map(({ from }) => from).sort((a, b) => a - b);
  let [best, most] = [starts[0] ?? 0, 0];
  for (let first = 0, last = 0; first < starts.length; first++) {
    while (last < starts.length && (starts[last] ?? 0) < (starts[first] ?? 0) + spanNs) last++;
    if (last - first > most) [best, most] = [starts[first] ?? 0, last - first];
  }
  return best;
}

function draw(): string {
  const start = busiest();
  const x = (time: number): number =>
    left + ((Math.min(Math.max(time, start), start + spanNs) - start) / spanNs) * (width - left - 8);
  const lane = (cpu: number): number => top + cpus.indexOf(cpu) * laneHeight;
  const visible = (slices: Slice[]): Slice[] => slices.filter(({ from, to }) => to > start && from < start + spanNs);
  const parts: string[] = [];
  for (const cpu of cpus) {
    parts.push(`<text x="${left - 8}" y="${lane(cpu) + 26}" text-anchor="end">CPU ${cpu}</text>`);
    parts.push(
      `<rect x="${left}" y="${lane(cpu) + interruptHeight + 2}" width="${width - left - 8}" height="${runHeight}" fill="#8881"/>`,
    );
  }
  for (const { cpu, from, to, name, pid } of visible(runs)) {
    const [begin, end] = [x(from), x(to)];
    const wide = Math.max(end - begin, 0.4);
    const y = lane(cpu) + interruptHeight + 2;
    parts.push(
      `<rect x="${begin.toFixed(1)}" y="${y}" width="${wide.toFixed(1)}" height="${runHeight}" fill="hsl(${(pid * 47) % 360} 55% 62%)"><title>${escape(name)}-${pid} ${((to - from) / 1000).toFixed(0)} us</title></rect>`,
    );
    if (wide > name.length * 6.2 + 6)
      parts.push(`<text x="${(begin + 3).toFixed(1)}" y="${y + 14}" fill="#222">${escape(name)}</text>`);
  }
  for (const { cpu, from, to, name } of visible(interrupts)) {
    const [begin, end] = [x(from), x(to)];
    const colour = name.startsWith("irq") ? "#d33" : "#e8a200";
    parts.push(
      `<rect x="${begin.toFixed(1)}" y="${lane(cpu)}" width="${Math.max(end - begin, 0.6).toFixed(1)}" height="${interruptHeight}" fill="${colour}"/>`,
    );
  }
  const height = top + cpus.length * laneHeight + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11" fill="#888">
<text x="${left}" y="15">${escape(title)}; above the tasks: interrupts (red) and softirqs (yellow)</text>
${parts.join("\n")}
</svg>
`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
