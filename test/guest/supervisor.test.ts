/** The supervisor with real workers on a directory that looks like tracefs: no root, no ring buffer of the kernel. */
import { afterAll, afterEach, describe, expect, spyOn, test } from "bun:test";
import { renameSync, rmSync } from "node:fs";
import { clearEventFd, makeEventFd } from "../../ffi/eventfd.ts";
import { closeFd, O, openFd } from "../../ffi/fd.ts";
import { setLogLevel } from "../../src/base/log.ts";
import { guestLimits } from "../../src/guest/limits.ts";
import { Supervisor, type SupervisorSetup } from "../../src/guest/supervisor.ts";
import { Order, RunState, WorkerState } from "../../src/guest/transfer/run-state.ts";
import { fifo } from "../../src/transport/fifo.ts";
import type { Output } from "../../src/transport/transport.ts";
import { onlineCpus } from "../../src/tracefs/cpus.ts";
import { eventually } from "../support/agent-process.ts";
import { FakeTracing } from "../support/fake-tracing.ts";

setLogLevel("silent");
afterAll(() => setLogLevel("info"));
const [cpu = 0] = onlineCpus() ?? [];
const offlineCpu = 4000;

type World = { tracing: FakeTracing; supervisor: Supervisor; state: (state: number, what: string) => Promise<void> };
let end: (() => Promise<void>) | undefined;
afterEach(async () => {
  await end?.();
  end = undefined;
});

function make(cpus: number[], setup: Partial<SupervisorSetup> = {}): World {
  const tracing = new FakeTracing(cpus);
  const doneFd = makeEventFd();
  const supervisor = new Supervisor({
    run: new RunState(cpus.length),
    tracingDirectory: tracing.path,
    cpus,
    pipeSizeBytes: 65_536,
    doneFd,
    findOutputs: () => {},
    openOutput: (one) => tracing.output(one),
    onChange: () => {},
    onOutputClosed: () => {},
    ...setup,
  });
  const state = (wanted: number, what: string): Promise<void> =>
    eventually(() => {
      clearEventFd(doneFd);
      supervisor.settle();
      return supervisor.all(wanted);
    }, what);
  end = async () => {
    supervisor.close();
    await eventually(() => supervisor.serving === 0, "all workers end");
    supervisor.release();
    closeFd(doneFd);
    tracing.close();
  };
  return { tracing, supervisor, state };
}

describe("a supervisor", () => {
  test("arms its workers, moves nothing before the order, and all of it between start and stop", async () => {
    const { tracing, supervisor, state } = make([cpu]);
    supervisor.rescan();
    await state(WorkerState.armed, "armed");
    tracing.fill(cpu, 1, 2, 3);
    expect(tracing.received(cpu)).toEqual([]);
    supervisor.order(Order.running);
    await state(WorkerState.running, "running");
    tracing.fill(cpu, 4, 5);
    supervisor.order(Order.armed);
    await state(WorkerState.armed, "armed again");
    expect(tracing.received(cpu)).toEqual([1, 2, 3, 4, 5]);
    expect(supervisor.slots).toEqual([{ cpu, worker: 0, state: "armed", port: "open", restarts: 0, bytes: 5 * 4096 }]);
    expect(supervisor.unserved).toEqual([]);
  });

  test("tells of a CPU without a port, and serves it when the port has come", async () => {
    let there = false;
    const world = make([cpu], { openOutput: (one) => (there ? world.tracing.output(one) : undefined) });
    const { tracing, supervisor, state } = world;
    supervisor.rescan();
    expect(supervisor.serving).toBe(0);
    expect(supervisor.unserved).toEqual([{ cpu, offline: false, reason: `no data port "trace-path-cpu${cpu}"` }]);
    expect(supervisor.slots).toMatchObject([{ state: "failed", port: "absent" }]);
    there = true;
    tracing.fill(cpu, 9);
    supervisor.order(Order.running);
    await state(WorkerState.running, "running");
    supervisor.order(Order.armed);
    await state(WorkerState.armed, "armed");
    expect(tracing.received(cpu)).toEqual([9]);
    expect(supervisor.unserved).toEqual([]);
  });

  test("parks a CPU that is offline, and waits for no worker of it", async () => {
    const { supervisor, state } = make([cpu, offlineCpu]);
    supervisor.rescan();
    await state(WorkerState.armed, "the online CPU is armed");
    supervisor.order(Order.running);
    await state(WorkerState.running, "the online CPU runs");
    expect(supervisor.slots).toMatchObject([
      { state: "running" },
      { cpu: offlineCpu, state: "parked", port: "absent" },
    ]);
    expect(supervisor.unserved).toMatchObject([{ cpu: offlineCpu, offline: true }]);
  });

  test("gives a worker that keeps failing up, and a start order is a new chance", async () => {
    const { tracing, supervisor, state } = make([cpu]);
    supervisor.rescan();
    await state(WorkerState.armed, "armed");
    rmSync(`${tracing.path}/per_cpu/cpu${cpu}/trace_pipe_raw`);
    supervisor.order(Order.running);
    await eventually(() => supervisor.slots[0]?.state === "failed" && supervisor.slots[0].restarts === 3, "given up");
    await eventually(() => supervisor.all(WorkerState.running), "a failed worker is not waited for");
    expect(supervisor.unserved).toMatchObject([{ cpu, offline: false, reason: expect.stringContaining("ENOENT") }]);
    supervisor.order(Order.running);
    await eventually(() => supervisor.slots[0]?.restarts === 6, "three tries more");
  });

  test("gives a worker up that fails three times in a row, not one that was sound in between", async () => {
    const failing = (): Output => ({ fd: openFd("/dev/full", O.WRONLY), traits: fifo.guest.traits, shared: false });
    const { tracing, supervisor, state } = make([cpu], { openOutput: failing });
    supervisor.rescan();
    supervisor.order(Order.running);
    await state(WorkerState.running, "running");
    const fails = async (times: number): Promise<void> => {
      tracing.fill(cpu, times);
      await eventually(() => supervisor.slots[0]?.restarts === times, `failed ${times} times`);
    };
    const isServed = (): Promise<void> => eventually(() => supervisor.serving === 1, "restarted");
    for (const times of [1, 2]) {
      await fails(times);
      await isServed();
    }
    const realNow = performance.now.bind(performance);
    const later = spyOn(performance, "now").mockImplementation(() => realNow() + guestLimits.workerSoundMs);
    try {
      await fails(3);
      await isServed();
    } finally {
      later.mockRestore();
    }
  });

  test("hands over what the ring buffer held when its worker failed, though the stop came before the restart", async () => {
    const { tracing, supervisor, state } = make([cpu]);
    supervisor.rescan();
    await state(WorkerState.armed, "armed");
    const raw = `${tracing.path}/per_cpu/cpu${cpu}/trace_pipe_raw`;
    renameSync(raw, `${raw}.away`);
    supervisor.order(Order.running);
    await eventually(() => supervisor.slots[0]?.restarts === 1, "failed");
    supervisor.order(Order.armed);
    tracing.fill(cpu, 7);
    renameSync(`${raw}.away`, raw);
    await state(WorkerState.armed, "armed again");
    expect(tracing.received(cpu)).toEqual([7]);
  });

  test("serves a port again that was gone, when it is back", async () => {
    let there = true;
    const world = make([cpu], {
      openOutput: (one) => {
        if (!there) throw new Error("the port is not there");
        return world.tracing.output(one);
      },
    });
    const { tracing, supervisor, state } = world;
    supervisor.rescan();
    await state(WorkerState.armed, "armed");
    supervisor.order(Order.running);
    await state(WorkerState.running, "running");
    there = false;
    tracing.closeReader(cpu);
    tracing.fill(cpu, 1);
    await eventually(() => supervisor.slots[0]?.port === "closed", "the port is told to be closed");
    expect(supervisor.unserved).toEqual([{ cpu, offline: false, reason: "the port is not there" }]);
    expect(supervisor.slots[0]?.restarts).toBe(1);
    there = true;
    tracing.openReader(cpu);
    supervisor.rescan();
    tracing.fill(cpu, 2);
    await state(WorkerState.running, "running again");
    supervisor.order(Order.armed);
    await state(WorkerState.armed, "armed");
    expect(tracing.received(cpu).at(-1)).toBe(2);
    expect(supervisor.unserved).toEqual([]);
  });

  test("ends all when the reader of the common output is gone", async () => {
    let closed = 0;
    let shared: Output | undefined;
    const world = make([cpu], {
      openOutput: (one) => (shared = { ...world.tracing.output(one), shared: true }),
      onOutputClosed: () => closed++,
    });
    const { tracing, supervisor, state } = world;
    supervisor.rescan();
    await state(WorkerState.armed, "armed");
    supervisor.order(Order.running);
    await state(WorkerState.running, "running");
    tracing.closeReader(cpu);
    tracing.fill(cpu, 1);
    await eventually(() => closed === 1, "the end is asked for");
    expect(supervisor.slots[0]?.restarts).toBe(0);
    if (shared !== undefined) closeFd(shared.fd);
  });

  test("starts no worker once it is closed", async () => {
    const { supervisor, state } = make([cpu]);
    supervisor.rescan();
    await state(WorkerState.armed, "armed");
    supervisor.close();
    await eventually(() => supervisor.serving === 0, "all workers end");
    supervisor.rescan();
    expect(supervisor.serving).toBe(0);
  });
});
