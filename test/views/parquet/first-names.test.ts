/** The first names of tasks are the same, whether each event is read for them or sub-buffers that tell nothing new are left out. */
import { expect, test } from "bun:test";
import { EventCatalog } from "../../../src/events/event-catalog.ts";
import { firstTimestamp } from "../../../src/timeline/event-merge.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import type { TraceSource } from "../../../src/trace-dat/trace-source.ts";
import { learnFirstNames } from "../../../src/views/parquet/first-names.ts";
import { fixturePath, fixtures } from "../../fixtures/fixtures.ts";
import { madeMetadata, type MadeSched, madeStreams } from "../../support/made-machine.ts";
import { madeLayout, madeSource } from "../../support/made-sub-buffers.ts";
import { inQuickForm, isQuick } from "../../support/quick.ts";
import { Random } from "../../support/random.ts";
import { testSeed } from "../../support/seed.ts";

type Learnt = { names: Record<string, number[]>; read: number };

/** The pids by name, and how many events were read. */
function learn(source: TraceSource, isQuick: boolean): Learnt {
  const catalog = new EventCatalog({ ...source.metadata, savedCommands: "" });
  let read = 0;
  const kindOf = catalog.kindOf.bind(catalog);
  catalog.kindOf = (record) => {
    read++;
    return kindOf(record);
  };
  learnFirstNames(source, catalog, firstTimestamp(source.open(), source.metadata.layout), isQuick);
  const { tasks } = catalog;
  return { names: Object.fromEntries(tasks.known().map((name) => [name, tasks.pidsOf(name)])), read };
}

/** 4,000 events of eight tasks, and now and then of a new one. */
function madeEvents(random: Random): MadeSched[] {
  let last = 100;
  const task = (): { pid: number; comm: string } => {
    const pid = random.chance(0.01) ? ++last : 1 + random.below(8);
    return { pid, comm: `task-${pid}` };
  };
  return Array.from({ length: 4_000 }, (_, index) => {
    const at = { time: 1_000 + index * 50, cpu: random.below(2), by: 1 + random.below(8) };
    return random.chance(0.5)
      ? { ...at, prev: task(), state: 1, next: task() }
      : { ...at, wakes: task(), target: random.below(2) };
  });
}

test("a new task is found in any sub-buffer, and most events are not read for it", () => {
  const streams = madeStreams(madeEvents(new Random(testSeed)), 2, 0n);
  const source = madeSource({ ...madeMetadata, layout: madeLayout }, streams);
  const [quick, slow] = [learn(source, true), learn(source, false)];
  expect(quick.names).toEqual(slow.names);
  expect(Object.keys(quick.names).length).toBeGreaterThan(20);
  expect(slow.read).toBe(4_000);
  expect(quick.read).toBeLessThan(3_900);
});

test("whatever bytes a recording has, the same names are found", () => {
  const random = new Random(testSeed);
  const streams = madeStreams(madeEvents(random), 2, 0n);
  let skipped = 0;
  const rounds = inQuickForm(30, 200);
  for (let round = 0; round < rounds; round++) {
    const changed = streams.map((stream) => {
      const bytes = stream.slice();
      for (let count = random.below(40); count > 0; count--) bytes[random.below(bytes.length)] = random.below(256);
      return bytes;
    });
    const source = madeSource({ ...madeMetadata, layout: madeLayout }, changed);
    const [quick, slow] = [learn(source, true), learn(source, false)];
    expect(quick.names).toEqual(slow.names);
    if (quick.read < slow.read) skipped++;
  }
  expect(skipped).toBeGreaterThan(rounds / 2);
});

/** Those that hold the events of others in another form are left out of the quick form. */
const some = fixtures.filter(({ like }) => !isQuick || like === undefined);
test.each(some.map(({ name }) => name))("of %s the same names are found", (name) => {
  const source = openTraceDat(fixturePath(name));
  try {
    expect(learn(source, true).names).toEqual(learn(source, false).names);
  } finally {
    source.close();
  }
});
