import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeEventFd } from "../../../ffi/eventfd.ts";
import { closeFd, readInto } from "../../../ffi/fd.ts";
import { Latency } from "../../../src/guest/control/latency.ts";
import { LatencyCheck } from "../../../src/guest/transfer/latency-check.ts";
import { RunState, Word, WorkerState } from "../../../src/guest/transfer/run-state.ts";

/** CPUs by the number of their worker. */
const cpus = [0, 3, 4, 5];
let directory: string;
let run: RunState;
let latency: Latency;
let check: LatencyCheck;
let wakes: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "trace-agent-check-"));
  run = new RunState(cpus.length);
  wakes = 0;
  latency = new Latency(run, () => void wakes++);
  check = new LatencyCheck(run, directory, cpus);
  for (const [worker, cpu] of cpus.entries()) {
    mkdirSync(join(directory, `per_cpu/cpu${cpu}`), { recursive: true });
    run.setWord(worker, Word.wakeFd, makeEventFd());
    run.setWord(worker, Word.state, WorkerState.running);
    run.setWord(worker, Word.sleeping, 1);
    unread(cpu, 0);
  }
});
afterEach(() => {
  check.close();
  for (const worker of cpus.keys()) closeFd(run.word(worker, Word.wakeFd));
  rmSync(directory, { recursive: true, force: true });
});

function unread(cpu: number, entries: number): void {
  writeFileSync(join(directory, `per_cpu/cpu${cpu}/stats`), `entries: ${entries}\noverrun: 12\n`);
}

/** The CPUs whose workers were woken since the last time. */
function woken(): number[] {
  const count = new Uint8Array(new ArrayBuffer(8));
  return cpus.filter((_, worker) => readInto(run.word(worker, Word.wakeFd), count) > 0);
}

const due = (): number[] => cpus.filter((_, worker) => run.word(worker, Word.partialDue) === 1);

describe("the periodic check", () => {
  test("does not run while nothing runs, and is told of a run's begin and end", () => {
    expect(check.turn(1000)).toBe(-1);
    latency.setRunning(true);
    expect(check.turn(2000)).toBe(500);
    latency.setRunning(false);
    expect(check.turn(2100)).toBe(-1);
    expect(wakes).toBe(2);
  });

  test("comes every latency_ms, whatever else wakes its thread, and makes up for none that was missed", () => {
    latency.setRunning(true);
    latency.set(50);
    expect([0, 10, 49.5, 50, 70.2, 103, 1001, 1049].map((ms) => check.turn(ms))).toEqual([
      50, 40, 1, 50, 30, 47, 49, 1,
    ]);
    latency.set(200);
    expect(check.turn(1060)).toBe(200);
  });

  test("wakes those that sleep and have unread events", () => {
    latency.setRunning(true);
    check.turn(0);
    unread(3, 1);
    unread(5, 20_000);
    check.turn(499);
    expect(woken()).toEqual([]);
    check.turn(500);
    expect(woken()).toEqual([3, 5]);
    expect(due()).toEqual([3, 5]);
  });

  test("does not wake a worker whose port is full: what is due it sends when there is room", () => {
    latency.setRunning(true);
    check.turn(0);
    unread(3, 7);
    run.setWord(1, Word.sleeping, 0);
    check.turn(500);
    expect(woken()).toEqual([]);
    expect(due()).toEqual([3]);
  });

  test("leaves out workers that do not run, and CPUs that the kernel tells nothing of", () => {
    latency.setRunning(true);
    rmSync(join(directory, "per_cpu/cpu4"), { recursive: true });
    check.turn(0);
    for (const cpu of [0, 3, 5]) unread(cpu, 1);
    run.setWord(0, Word.state, WorkerState.flushing);
    run.setWord(1, Word.state, WorkerState.armed);
    check.turn(500);
    expect(woken()).toEqual([5]);
  });
});
