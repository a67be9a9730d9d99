import { expect, test } from "bun:test";
import { ByteWriter } from "../../src/base/byte-writer.ts";
import { eventLimits } from "../../src/events/limits.ts";
import { TaskNames } from "../../src/events/task-names.ts";
import { inQuickForm } from "../support/quick.ts";
import { testSeed as seed } from "../support/seed.ts";

const comm = new Uint8Array(16);

/** A task's name as an event has it: 16 bytes, filled with NULs. */
function commOf(name: string): Uint8Array {
  comm.fill(0);
  comm.set(Buffer.from(name, "latin1").subarray(0, comm.length));
  return comm;
}

const out = new ByteWriter(() => {});

function columns(tasks: TaskNames, pid: number): string {
  out.length = 0;
  tasks.writeColumns(out, pid);
  return Buffer.from(out.bytes.buffer, 0, out.length).toString("latin1");
}

test("A line begins with the name, right-aligned, and the pid", () => {
  const tasks = new TaskNames("   12 bash\n1234567890 a-name-of-more-than-16-bytes\n");
  expect(columns(tasks, 12)).toBe("            bash-12    ");
  expect(columns(tasks, 1_234_567_890)).toBe("a-name-of-more-than-16-bytes-1234567890 ");
  expect(columns(tasks, 0)).toBe("          <idle>-0     ");
  expect(columns(tasks, 13)).toBe("           <...>-13    ");
  expect(columns(tasks, -1)).toBe("           <...>--1    ");
});

test("learn() keeps the first name, rename() and saved_cmdlines take the later one, in lines too", () => {
  const tasks = new TaskNames("");
  tasks.learn(5, commOf("first"), 0, 16);
  tasks.learn(5, commOf("second"), 0, 16);
  expect(columns(tasks, 5)).toBe("           first-5     ");
  tasks.rename(5, commOf("third"), 0, 16);
  expect(columns(tasks, 5)).toBe("           third-5     ");
  tasks.takeSaved("5 fourth\n");
  expect(columns(tasks, 5)).toBe("          fourth-5     ");
  tasks.rename(0, commOf("nobody"), 0, 16);
  expect([tasks.text(0), tasks.has(0)]).toEqual(["<idle>", false]);
});

test("Of too many tasks those that were told first are forgotten, whatever their pids are", () => {
  const random = mulberry(seed);
  const tasks = new TaskNames("");
  const model = new Map<number, string>();
  /** Of the model, from the one that was told first on. */
  const order: number[] = [];
  let oldest = 0;
  for (let step = 0; step < inQuickForm(2, 3) * eventLimits.taskNames; step++) {
    // Some pids come again and again, some share their last digits, most are new.
    const kind = random() % 4;
    const pid = kind === 0 ? 1 + (random() % 64) : kind === 1 ? 1 + (random() % 4096) * 65_536 : 1 + (random() >>> 1);
    const name = `task ${step}`;
    if (step % 2 === 0) tasks.learn(pid, commOf(name), 0, 16);
    else tasks.rename(pid, commOf(name), 0, 16);
    if (step % 2 === 1 || !model.has(pid)) {
      if (!model.has(pid)) order.push(pid);
      model.set(pid, name);
      const first = order[oldest] ?? 0;
      if (model.size > eventLimits.taskNames) {
        oldest++;
        model.delete(first);
        if (tasks.has(first)) throw new Error(`seed ${seed}, step ${step}: task ${first} is still known`);
      }
    }
    const said = columns(tasks, pid);
    const right = `${(model.get(pid) ?? "").padStart(16)}-${String(pid).padEnd(5)} `;
    if (said !== right) throw new Error(`seed ${seed}, step ${step}: "${said}" in place of "${right}"`);
  }
  for (const [pid, name] of model) if (tasks.text(pid) !== name) throw new Error(`seed ${seed}: pid ${pid}`);
});

/** Random numbers of 32 bits. */
function mulberry(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}
