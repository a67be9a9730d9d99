/**
 * Two guests and this machine, recorded together and put on one timeline: measured against the truth, which a page of memory
 * shared with the guest tells; the order of what causes and what follows across machines; and trace-cmd's view of the files.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { findHostPorts, guestDirectory } from "../../src/host/guest-directory.ts";
import { withControlPort } from "../../src/host/run/attach.ts";
import { ClockWatch } from "../../src/host/run/clock-watch.ts";
import type { TraceMetadata } from "../../src/events/trace-metadata.ts";
import { MachineClock } from "../../src/timeline/machine-clock.ts";
import { knownShift } from "../../src/timeline/sync/known-shift.ts";
import { synchronise } from "../../src/timeline/sync/synchronise.ts";
import { openTraceDat } from "../../src/trace-dat/read/reader.ts";
import { readSessionFile, type SessionFile, type SessionOffset } from "../../src/trace-dat/session/session-file.ts";
import type { ClockBurst } from "../../src/trace-dat/spool/clock-bursts.ts";
import { eventually, executable } from "../support/agent-process.ts";
import { guestTestTimeoutMs } from "../support/describe-guest.ts";
import { bootGuest, guestHookTimeoutMs, whyNoGuest } from "../support/guest.ts";
import type { Guest, GuestProcess } from "../support/guest-handle.ts";
import { inLongForm, isLong } from "../support/long.ts";
import { spooledEvents, spooledReads } from "../support/order-trips.ts";
import { whyNoTools } from "../support/packages.ts";
import { prepareGuest } from "../support/prepared-guest.ts";
import { RecorderProcess, traceAgentText } from "../support/recorder-process.ts";
import {
  callLines,
  type ControlFds,
  controlFds,
  guestExchanges,
  hostExchanges,
  orderOf,
} from "../support/status-exchanges.ts";
import { nearest, sharedPageArguments, type Truth, truthDuring, truthProgram } from "../support/timeline-truth.ts";
import { reasonWithoutTracefs, unmountTracefs } from "../support/tracefs.ts";

const base = mkdtempSync(`${tmpdir()}/trace-agent-timeline-`);
const without = (await whyNoGuest("6.12")) ?? reasonWithoutTracefs() ?? (await whyNoTools("gcc", "trace-cmd"));
if (without !== undefined) console.log(`skipped: guests and this machine on one timeline: ${without}`);
const names = ["vm1", "vm2"] as const;
/** Wakes up and sleeps, as most guests do, on each CPU. */
const onEach = [1, 2].map((mask) => `taskset ${mask} sh -c 'while :; do ls /proc >/dev/null; usleep 20000; done' &`);
const work = `trap 'kill $(jobs -p)' EXIT; trap exit TERM; ${onEach.join(" ")} wait`;
/** What each CPU of a guest does at least while it is recorded, and how often its agent reads an order that comes alone and answers it. */
const wakeupsLeast = 100;
const exchangesLeast = 2;
/** The last reply may come when the recording has ended. */
const readsLeast = exchangesLeast + 2;
/** "status" and a newline. */
const orderBytes = 7;
/** Both CPUs, without a pause. */
const spin = `sh -c 'trap "kill -KILL 0" TERM; while :; do :; done & while :; do :; done'`;
/** Where refined, on a machine that does nothing else; the long form asks for it. */
const refinedNs = 60_000;

type Thread = { vcpus: number[]; inside: { wakeups: number; latencyNs: number; delayedNs: number } | null } & Record<
  "runNs" | "waitNs" | "idleNs" | "unknownNs",
  number
>;
type HostSummary = { name: string; first: number; last: number; guests: { guest: string; threads: Thread[] }[] };
type Window = NonNullable<SessionOffset["windows"]>[number];

describe.skipIf(without !== undefined)("two guests and this machine", () => {
  const guests = new Map<string, Guest>();
  const agents = new Map<string, GuestProcess>();
  /** Of the recorder. */
  const controlPorts = new Map<string, ControlFds>();
  const agentThreads = new Map<string, readonly number[]>();
  const out = `${base}/session`;
  let program = "";
  let measured: readonly (readonly Truth[])[] = [];
  let told = "";
  let session: SessionFile;

  beforeAll(async () => {
    program = truthProgram();
    for (const name of names) {
      const { directory, qemuArguments } = prepareGuest(`${base}/${name}`, 2, "fifo");
      const prepared = {
        directory,
        qemuArguments: [...qemuArguments, ...sharedPageArguments(directory), "-name", "guest,debug-threads=on"],
      };
      const files = { "/bin/trace-agent": executable, "/bin/tsc-page": program };
      const guest = await bootGuest({ kernel: "6.12", cpus: 2, prepared, files });
      guests.set(name, guest);
      const agent = await guest.spawn("exec trace-agent");
      await agent.says("armed: ");
      agents.set(name, agent);
    }
    measured = await recorded(out, inLongForm(4, 40));
    session = readSessionFile(readFileSync(`${out}/session.json`), out);
  }, guestHookTimeoutMs);
  afterAll(async () => {
    for (const guest of guests.values()) await guest.close();
    rmSync(base, { recursive: true, force: true });
    unmountTracefs();
  });

  /** What truly lay between each guest and this machine meanwhile. */
  async function recorded(path: string, seconds: number): Promise<(readonly Truth[])[]> {
    const directories = [...guests.values()].map(({ directory }) => directory);
    // Of the system calls only reads and writes, which are what the tests look for; none of them is lost while others have the CPUs.
    const events = ["-e", "sched", "-e", "raw_syscalls", "-f", "id == 0 || id == 1", "-b", "16384"];
    const record = async (): Promise<Truth[][]> => {
      const recorder = new RecorderProcess(["record", ...directories, "--host", "--no-filter", ...events, "-o", path]);
      const states = (): string =>
        existsSync(`${path}/session.json`) ? readFileSync(`${path}/session.json`, "utf8") : "";
      await eventually(
        () => states().split('"state": "recording"').length === 4,
        "three machines are recorded",
        states,
      );
      for (const [name, { directory }] of guests) controlPorts.set(name, controlFds(recorder.pid, directory));
      // Not before and not after: a guest that has no rest takes long to tell of its events.
      const working = await Promise.all([...guests.values()].map((guest) => guest.spawn(work)));
      await Bun.sleep(seconds * 1000);
      for (const name of names) await hasEnough(name, `${path}/.spool/${name}`);
      await Promise.all(working.map((process) => process.kill()));
      recorder.kill("SIGINT");
      const end = await recorder.ended();
      if (end.code !== 0) throw new Error(`record: exit code ${end.code}\n${end.stderr}`);
      told = end.stdout;
      return [];
    };
    const all = [...guests.values()].reduceRight(
      (work, guest) => async () => {
        const { result, truths } = await truthDuring(guest, program, work);
        return [truths, ...result];
      },
      record,
    );
    return await all();
  }

  const threadsOf = async (name: string): Promise<number[]> =>
    ((await guests.get(name)?.text(`ls /proc/${agents.get(name)?.pid}/task`)) ?? "").split("\n").map(Number);

  /** What the tests look for is there, however slow this machine is. */
  async function hasEnough(name: string, spool: string): Promise<void> {
    const idOf = async (event: string): Promise<number> =>
      Number(await guests.get(name)?.text(`cat /sys/kernel/tracing/events/${event}/id`));
    const [waking, exit] = [await idOf("sched/sched_waking"), await idOf("raw_syscalls/sys_exit")];
    const tasks = await threadsOf(name);
    agentThreads.set(name, tasks);
    const deadline = Date.now() + guestTestTimeoutMs;
    for (;;) {
      const [wakeups, reads] = [spooledEvents(spool, waking), spooledReads(spool, exit, tasks, orderBytes)];
      if (Math.min(...wakeups) >= wakeupsLeast && reads >= readsLeast) return;
      if (Date.now() > deadline) throw new Error(`${name}: ${wakeups.join(" ")} wake-ups, ${reads} reads`);
      await Bun.sleep(200);
    }
  }

  test("are placed within the bound that is told: of the whole recording, and of each part of it", () => {
    for (const [index, name] of names.entries()) {
      const offset = session.offsets[name];
      const { boundNs = 0, windows = [] } = offset ?? {};
      const source = openTraceDat(`${out}/${name}.dat`);
      const shown = shownOffset(source.metadata);
      source.close();
      const errors = (measured[index] ?? []).flatMap(({ guestTime, offset: truth, boundNs: unsureNs }) => {
        const part = windows.find(({ from, to }) => guestTime >= Number(from) && guestTime <= Number(to));
        if (part === undefined) return [];
        return [{ part, unsureNs, error: shown(guestTime) - truth }];
      });
      const isWithin = ({ part, error, unsureNs }: (typeof errors)[0], bound: (part: Window) => number): boolean =>
        Math.abs(error) <= bound(part) + unsureNs;
      const wrong = errors.filter((one) => !isWithin(one, () => boundNs) || !isWithin(one, (part) => part.boundNs));
      expect({ name, offset, wrong }).toMatchObject({ wrong: [] });
      expect(errors.length).toBeGreaterThan(0);
      expect(told).toContain(`${name}: clock ±`);
      if (offset?.method === "causality") expect(offset.inside).toBeGreaterThanOrEqual((offset.events ?? 0) * 0.99);
      if (!isLong) continue;
      const of = medianAndMost(errors.map(({ error }) => error));
      console.log(`${name}: ${JSON.stringify(offset)}, ${errors.length} errors ${of} us (median / most)`);
      expect(offset).toMatchObject({ method: "causality" });
      const clear = windows.filter(({ method }) => method === "causality");
      expect(Math.min(...clear.map((window) => window.boundNs))).toBeLessThan(refinedNs);
    }
  });

  test("are told of by the host: how long their threads ran and waited, and what that did to their tasks", async () => {
    const { parts } = JSON.parse(await traceAgentText("report", "--stat", "--json", out)) as { parts: HostSummary[] };
    const host = parts.find(({ name }) => name === "host");
    expect(host?.guests.map(({ guest }) => guest)).toEqual([...names]);
    const spanNs = (host?.last ?? 0) - (host?.first ?? 0);
    for (const { threads } of host?.guests ?? []) {
      expect(threads.flatMap(({ vcpus }) => vcpus)).toEqual([0, 1]);
      for (const { runNs, waitNs, idleNs, unknownNs, inside } of threads) {
        expect(runNs + waitNs + idleNs + unknownNs).toBe(spanNs);
        expect(Math.min(runNs, waitNs, idleNs)).toBeGreaterThan(0);
        expect(unknownNs).toBeLessThan(spanNs / 2);
        // `work` sleeps and wakes, many times.
        expect(inside?.wakeups).toBeGreaterThan(20);
        expect(inside?.delayedNs).toBeLessThanOrEqual(inside?.latencyNs ?? 0);
      }
    }
  });

  test(
    "are not placed by the threads of the other guest: then the round trips' bound is kept",
    () => {
      const host = openTraceDat(`${out}/host.dat`);
      const tasksOf = (name: string): readonly number[] =>
        host.metadata.guests?.find((guest) => guest.name === name)?.tasks ?? [];
      for (const [name, other] of [names, names.toReversed()] as const) {
        const guest = openTraceDat(`${out}/${name}.dat`);
        const known = knownShift(guest.metadata, 500_000);
        if (known === undefined) throw new Error(`${name} has no TIME_SHIFT`);
        expect(tasksOf(name).every((task) => task > 0)).toBeTrue();
        const { method } = session.offsets[name] ?? {};
        expect(synchronise(host, guest, tasksOf(name), known)).toMatchObject({ method });
        const wrong = synchronise(host, guest, tasksOf(other), known);
        expect(wrong).toMatchObject({ method: "round trips", reason: "no offset fits its events clearly" });
        guest.close();
      }
      host.close();
    },
    guestTestTimeoutMs,
  );

  test(
    "show what causes before what follows, in trace-cmd's order too: an order and its reply are written before they are read",
    async () => {
      for (const name of names) {
        const fds = controlPorts.get(name);
        if (fds === undefined) throw new Error(`the recorder's descriptors of ${name} are not known`);
        const threads = agentThreads.get(name) ?? [];
        const paths = ["host", name].map((machine) => `${out}/${machine}.dat`);
        const { calls, backwards } = await callLines([fds.recorder, ...threads], paths);
        expect(backwards).toEqual([]);
        const ofHost = hostExchanges(calls, "host.dat", fds);
        const ofGuest = guestExchanges(calls, `${name}.dat`, threads);
        // trace-cmd shows microseconds.
        const boundS = (session.offsets[name]?.boundNs ?? 0) / 1e9 + 2e-6;
        const found = ofGuest.map((exchange) => ({ exchange, order: orderOf(exchange, ofHost, boundS) }));
        const reversed = found.filter(({ order }) => order === "reversed");
        expect({ name, boundS, reversed, ofHost }).toMatchObject({ reversed: [] });
        expect(found.filter(({ order }) => order === "kept").length).toBeGreaterThanOrEqual(exchangesLeast);
      }
    },
    guestTestTimeoutMs,
  );

  test(
    "are known by each burst of round trips within its bound, whatever they do",
    async () => {
      const guest = guests.get("vm1");
      if (guest === undefined) throw new Error("no guest");
      for (const [load, command] of Object.entries({ idle: "sleep 1000", busy: spin })) {
        const working = await guest.spawn(`exec ${command}`);
        const { result: bursts, truths } = await truthDuring(guest, program, () =>
          takeBursts(guest.directory, inLongForm(2, 50)),
        );
        await working.kill();
        const found = bursts.map(({ at, rounds, offsets: { mono_raw } }) => {
          const { offset: truth, boundNs: unsureNs } = nearest(truths, Number(at));
          const [low, high] = [Number(mono_raw.low) - truth, Number(mono_raw.high) - truth];
          return { rounds, error: Math.abs(low + high) / 2, bound: (high - low) / 2, unsureNs };
        });
        expect(found.length).toBe(inLongForm(2, 50));
        for (const burst of found)
          expect({ load, ...burst, holds: burst.error <= burst.bound + burst.unsureNs }).toMatchObject({ holds: true });
        if (isLong) {
          console.log(
            `${load}: error ${medianAndMost(found.map(({ error }) => error))}, bound ${medianAndMost(found.map(({ bound }) => bound))} us (median / most)`,
          );
        }
      }
    },
    guestTestTimeoutMs,
  );
});

/** What is added to a time of the guest's clock, as all who open its file do. */
function shownOffset(metadata: TraceMetadata): (guestTime: number) => number {
  const [first] = metadata.timeShift?.samples[0] ?? [];
  if (first === undefined) throw new Error("no TIME_SHIFT");
  const clock = new MachineClock(metadata, first.time);
  return (guestTime) => Number(clock.exactly(0, BigInt(Math.round(guestTime)))) - guestTime;
}

/** us */
function medianAndMost(values: readonly number[]): string {
  const sorted = values.map(Math.abs).toSorted((a, b) => a - b);
  return [sorted[sorted.length >> 1], sorted.at(-1)].map((value = NaN) => (value / 1_000).toFixed(1)).join(" / ");
}

async function takeBursts(directory: string, count: number): Promise<ClockBurst[]> {
  const guest = guestDirectory(directory);
  const bursts: ClockBurst[] = [];
  await withControlPort(guest, findHostPorts(guest).control, async (session) => {
    await session.hello();
    const watch = ClockWatch.of(session, "mono_raw", (burst) => bursts.push(burst));
    // One that the guest was too late for is none.
    for (let tries = 0; bursts.length < count && tries < 10 * count; tries++) await watch?.take();
  });
  return bursts;
}
