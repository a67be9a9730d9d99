/** A guest's recording is placed on its host's, by round trips and by the switches of its vCPU threads. */
import { describe, expect, test } from "bun:test";
import type { TraceSource } from "../../../src/trace-dat/trace-source.ts";
import { erasOf, type Step } from "../../../src/timeline/sync/eras.ts";
import { rangeBetween } from "../../../src/timeline/sync/known-range.ts";
import { burstOf, type RoundTrip } from "../../../src/timeline/sync/round-trips.ts";
import { type GuestToPlace, synchronise, type Synchronisation } from "../../../src/timeline/sync/synchronise.ts";
import { type Outcome, synchroniseAll } from "../../../src/timeline/sync/synchronise-all.ts";
import { type MadeEvent, madeRecording } from "./made-recording.ts";
import { mulberry, paceOfVcpus } from "./schedules.ts";

const vcpuTasks = [101, 102];
const hostEpoch = 7_000_000_000_000n;
const guestEpoch = 300_000_000_000n;

type World = { host: TraceSource; guest: TraceSource; offset: bigint } & Record<
  "hostEvents" | "guestEvents",
  MadeEvent[][]
>;

/**
 * Two vCPUs on two CPUs of a host; times of both count from the same moment. `lostAt`: the host loses events about then. `isKvm`: it
 * records when it enters the guest, and when it is back.
 */
function makeWorld({ seconds = 3, lostAt = -1, strays = 0, seed = 5, tasks = vcpuTasks, isKvm = false } = {}): World {
  const random = mulberry(seed);
  const host: MadeEvent[][] = [[], []];
  const guest: MadeEvent[][] = [[], []];
  for (const vcpu of [0, 1]) {
    const task = tasks[vcpu] ?? 0;
    for (let at = 1_000 * (vcpu + 1); at < seconds * 1e9;) {
      const cpu = random() < 0.5 ? 0 : 1;
      const end = at + paceOfVcpus * (20_000 + 100_000 * random());
      const isLost = lostAt >= 0 && at > lostAt && at < lostAt + 20e6;
      if (!isLost) host[cpu]?.push({ time: at, type: "sched_switch", first: 0, second: task });
      if (isKvm) host[cpu]?.push({ time: at + (end - at) * 0.001, type: "kvm_entry", first: vcpu, second: 0 });
      if (isKvm) host[cpu]?.push({ time: at + (end - at) * 0.998, type: "kvm_exit", first: 12, second: vcpu });
      if (!isLost) host[cpu]?.push({ time: end, type: "sched_switch", first: task, second: 0 });
      for (const share of [0.005, 0.5, 0.995])
        guest[vcpu]?.push({ time: at + (end - at) * share, type: "mark", first: 1, second: 2 });
      at = end + paceOfVcpus * (50_000 + 300_000 * random());
    }
    for (let stray = 0; stray < strays; stray++)
      guest[vcpu]?.push({ time: seconds * 1e9 * random(), type: "mark", first: 3, second: 4 });
  }
  for (const events of [...host, ...guest]) events.sort((a, b) => a.time - b.time);
  if (lostAt >= 0)
    for (const events of host) {
      const after = events.find(({ time }) => time > lostAt + 20e6);
      if (after !== undefined) after.lost = 1;
    }
  return {
    host: madeRecording(host, hostEpoch),
    guest: madeRecording(guest, guestEpoch),
    offset: hostEpoch - guestEpoch,
    hostEvents: host,
    guestEvents: guest,
  };
}

/** Round trips of 100 us to the guest and 300 us back, at these seconds of the guest's clock. */
function knownFrom(world: World, seconds: readonly number[]): Parameters<typeof synchronise>[3] {
  const bursts = seconds.map((second) => {
    const guestRead = Number(guestEpoch) + second * 1e9;
    const trip: RoundTrip = {
      hostSent: guestRead + Number(world.offset) - 100_000,
      guestRead,
      guestSent: guestRead + 50_000,
      hostRead: guestRead + 50_000 + Number(world.offset) + 300_000,
    };
    return burstOf([trip, trip])!;
  });
  return { range: rangeBetween(erasOf(bursts, 50), 50), guestEpoch: 0n };
}

function errorsOf({ samples }: ReturnType<typeof synchronise>, { offset }: World): number[] {
  return samples.map((sample) => Math.abs(Number(sample.offset - offset)));
}

describe("a guest of two vCPUs", () => {
  test("is placed to a few microseconds, and all its events lie within their vCPU's time", () => {
    const world = makeWorld();
    const result = synchronise(world.host, world.guest, vcpuTasks, knownFrom(world, [0, 3]));
    expect(result).toMatchObject({ method: "causality", windows: { accepted: 3, refused: 0 } });
    expect(result.inside).toBe(result.events);
    expect(Math.max(...errorsOf(result, world))).toBeLessThan(result.boundNs);
    expect(result.boundNs).toBeLessThan(10_000);
  });

  test("is placed although the host lost events: where it is not known what ran, all may have run", () => {
    const world = makeWorld({ lostAt: 1e9 });
    const result = synchronise(world.host, world.guest, vcpuTasks, knownFrom(world, [0, 3]));
    expect(result.method).toBe("causality");
    expect(result.inside).toBe(result.events);
    expect(Math.max(...errorsOf(result, world))).toBeLessThan(result.boundNs);
  });

  test("keeps the bound of its round trips where the host has no switches of its threads, and where they are swapped", () => {
    const world = makeWorld();
    const known = knownFrom(world, [0, 3]);
    const foreign = synchronise(world.host, world.guest, [901, 902], known);
    expect(foreign).toMatchObject({ method: "round trips", reason: "no sched_switch of its vCPU threads on the host" });
    const swapped = synchronise(world.host, world.guest, vcpuTasks.toReversed(), known);
    expect(swapped).toMatchObject({ method: "round trips", reason: "no offset fits its events clearly" });
    const unknown = synchronise(world.host, world.guest, [-1, -1], known);
    expect(unknown).toMatchObject({ method: "round trips", reason: "the threads of its vCPUs are not known" });
    for (const result of [foreign, swapped, unknown]) {
      // And what the drift may change by in three seconds, and what is after the last round trip.
      expect(result.boundNs).toBeWithin(200_000, 245_000);
      expect(Math.max(...errorsOf(result, world))).toBeLessThan(result.boundNs);
    }
  });

  test("keeps the bounds of all its round trips where the host's recording knows no sched_switch at all", () => {
    const world = makeWorld();
    const formats = world.host.metadata.formats.filter(({ system }) => system !== "sched");
    const host = { ...world.host, metadata: { ...world.host.metadata, formats } };
    const known = knownFrom(world, [0, 1.5, 3]);
    const at = [0, 1.5, 3].map((second) => Number(guestEpoch) + second * 1e9);
    const result = synchronise(host, world.guest, vcpuTasks, { ...known, at });
    expect(result).toMatchObject({ method: "round trips", reason: "no sched_switch of its vCPU threads on the host" });
    expect(result.boundNs).toBeWithin(200_000, 222_000);
    expect(result.samples.length).toBeGreaterThanOrEqual(2);
    expect(Math.max(...errorsOf(result, world))).toBeLessThan(result.boundNs);
  });

  test("is placed although one event in 300 lies anywhere", () => {
    const world = makeWorld({ strays: 60 });
    const result = synchronise(world.host, world.guest, vcpuTasks, knownFrom(world, [0, 3]));
    expect(result.method).toBe("causality");
    expect(result.inside).toBeLessThan(result.events);
    expect(Math.max(...errorsOf(result, world))).toBeLessThan(result.boundNs);
  });
});

describe("kvm_entry and kvm_exit in the host's recording", () => {
  test("change nothing: slices are those of the threads, with them and without", () => {
    const [plain, kvm] = [makeWorld(), makeWorld({ isKvm: true })];
    const placed = (world: World): Synchronisation =>
      synchronise(world.host, world.guest, vcpuTasks, knownFrom(world, [0, 3]));
    expect(kvm.hostEvents.flat().length).toBe(plain.hostEvents.flat().length * 2);
    expect(placed(kvm)).toEqual(placed(plain));
  });

  test("alone are no switches of threads: the round trips' bound is kept", () => {
    const world = makeWorld({ isKvm: true });
    const host = madeRecording(
      world.hostEvents.map((events) => events.filter(({ type }) => type !== "sched_switch")),
      hostEpoch,
    );
    const found = synchronise(host, world.guest, vcpuTasks, knownFrom(world, [0, 3]));
    expect(found).toMatchObject({ method: "round trips", reason: "no sched_switch of its vCPU threads on the host" });
  });
});

describe("several guests", () => {
  const otherTasks = [201, 202];
  const ran = { seed: 9, tasks: otherTasks };

  function all(host: TraceSource, guests: readonly GuestToPlace[]): Outcome[] {
    const steps = synchroniseAll(host, guests);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  /** The other's events come late in the recording, or from its begin. */
  test.each([0, 2e9])("are placed in one pass over the host's recording, as each alone (from %d ns)", (from) => {
    const [world, other] = [makeWorld(), makeWorld(ran)];
    const events = world.hostEvents.map((ofCpu, cpu) =>
      [...ofCpu, ...(other.hostEvents[cpu] ?? [])].sort((a, b) => a.time - b.time),
    );
    let opened = 0;
    const recorded = madeRecording(events, hostEpoch);
    const host = { ...recorded, open: () => (opened++, recorded.open()) };
    const late = madeRecording(
      other.guestEvents.map((ofCpu) => ofCpu.filter(({ time }) => time >= from)),
      guestEpoch,
    );
    const broken: TraceSource = {
      ...world.guest,
      open: () => {
        throw new Error("no such file");
      },
    };
    const known = knownFrom(world, [0, 3]);
    const guests = [
      { source: world.guest, tasks: vcpuTasks, known },
      { source: broken, tasks: vcpuTasks, known },
      { source: late, tasks: otherTasks, known },
    ];
    const outcomes = all(host, guests);
    const together = opened;
    opened = 0;
    const first = synchronise(host, world.guest, vcpuTasks, known);
    const last = synchronise(host, late, otherTasks, known);
    expect(opened).toBe(2 * together);
    expect(outcomes).toEqual([{ placed: first }, { error: new Error("no such file") }, { placed: last }]);
    expect([first.method, last.method]).toEqual(["causality", "causality"]);
  });

  test("have an error each where the host's recording cannot be read", () => {
    const { guest, ...world } = makeWorld();
    const host: TraceSource = {
      ...world.host,
      open: () => {
        throw new Error("no such file");
      },
    };
    const one = { source: guest, tasks: vcpuTasks, known: knownFrom({ ...world, guest }, [0]) };
    const error = new Error("no such file");
    expect(all(host, [one, one])).toEqual([{ error }, { error }]);
  });
});

describe("bursts", () => {
  const at = (second: number, low: number, high: number): NonNullable<ReturnType<typeof burstOf>> => ({
    at: second * 1e9,
    offset: { low, high },
    rounds: 64,
  });

  const stepsIn = (wanderPpm: number, ...bursts: Parameters<typeof erasOf>[0][number][]): readonly Step[] =>
    erasOf(bursts, wanderPpm).steps;

  test("that no drift joins tell of a clock that stepped, and by how much", () => {
    expect(stepsIn(500, at(0, 0, 10), at(1, 5, 20))).toEqual([]);
    expect(stepsIn(500, at(0, 0, 10), at(1, 400_000, 400_020))).toEqual([]);
    const by = (ns: number): Step => ({ from: 0, to: 1e9, by: ns });
    expect(stepsIn(500, at(0, 0, 10), at(1, 600_000, 600_010))).toEqual([by(600_000)]);
    expect(stepsIn(500, at(0, 0, 10), at(1, -600_010, -600_000))).toEqual([by(-600_010)]);
    expect(stepsIn(500, at(9, 0, 10), at(1, 9e9, 9e9 + 10))).toEqual([{ from: 9e9, to: 1e9, by: 9e9 }]);
  });

  test("of which one is empty tell of one step, and of none where those before and after it fit", () => {
    expect(stepsIn(500, at(0, 0, 10), at(1, 20, 10), at(2, 0, 10))).toEqual([]);
    expect(stepsIn(500, at(0, 0, 10), at(1, 20, 10), at(2, 9e6, 9e6 + 10))).toEqual([{ from: 0, to: 2e9, by: 9e6 }]);
    expect(stepsIn(500, at(0, 20, 10), at(1, 0, 10))).toEqual([]);
  });

  test("tell of a step within what a drift could do, where the drift was another before", () => {
    const before = [at(0, 0, 200_000), at(10, 0, 200_000), at(20, 0, 200_000)];
    expect(stepsIn(50, ...before, at(30, 2_000_000, 2_200_000))).toMatchObject([{ from: 20e9, to: 30e9 }]);
    expect(stepsIn(50, ...before, at(30, 600_000, 800_000))).toEqual([]);
    expect(stepsIn(500, ...before, at(30, 2_000_000, 2_200_000))).toEqual([]);
  });

  test("leave between them what both allow, and outside what a drift may make of the nearer", () => {
    const range = rangeBetween(erasOf([at(10, 0, 10), at(20, 100, 120)], 50), 50);
    expect(range(15e9)).toEqual({ low: 50 - 125_000, high: 65 + 125_000 });
    expect(range(20e9)).toEqual({ low: 100, high: 120 });
    // They drift apart by 9 to 12 ns a second, and may by 50 us more or less.
    expect(range(9e9)).toEqual({ low: -50_012, high: 10 + 49_991 });
    expect(range(21e9)).toEqual({ low: 100 + 9 - 50_000, high: 120 + 12 + 50_000 });
    // Of one alone no drift is known.
    expect(rangeBetween(erasOf([at(10, 0, 10)], 50), 50)(11e9)).toEqual({ low: -500_000, high: 500_010 });
  });
});
