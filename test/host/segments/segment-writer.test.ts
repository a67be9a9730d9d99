/** Files of one cut are told together, and none before it is whole; one that cannot be written holds up none that is. */
import { expect, test } from "bun:test";
import { AgentError } from "../../../src/base/errors.ts";
import type { MachineStream } from "../../../src/host/segments/machine-stream.ts";
import type { SegmentPlan } from "../../../src/host/segments/segment-plan.ts";
import { SegmentWriter } from "../../../src/host/segments/segment-writer.ts";

const nothing: ReadonlyMap<number, number> = new Map();

/** What a writer does, in words. `refused`: files that cannot be written, each once. */
function newWriter(refused: string[] = []): { writer: SegmentWriter; done: string[]; add: (file: string) => void } {
  const done: string[] = [];
  const live = { liveBytes: 0, marginBytes: 0, ports: 0 };
  const store = {
    makeRoom: () => true,
    keepFree: () => true,
    save: async () => void done.push("save"),
    write: async ({ file }: SegmentPlan) => {
      const at = refused.indexOf(file);
      if (at >= 0) throw new AgentError("io", `no room for ${refused.splice(at, 1).join("")}`);
      done.push(`write ${file}`);
      return { bytes: 0, cpus: [], leftOut: nothing, notes: [], offset: undefined, times: undefined };
    },
  };
  const written = ({ file }: SegmentPlan): boolean => file.endsWith("last");
  const writer = new SegmentWriter(store, { streams: () => [], live: () => live, written }, async () => {});
  const add = (file: string): void => {
    const stream = {
      tables: async () => [],
      noteCut: (told: object) => done.push(`${file} ${Object.keys(told).join("")}`),
      removeBelow: () => done.push(`remove of ${file}`),
    };
    const number = Number(/\d/.exec(file)?.[0]);
    writer.add({ stream: stream as unknown as MachineStream, number, file, from: nothing, to: nothing } as SegmentPlan);
  };
  return { writer, done, add };
}

test("session.json is written once for all files of a cut, before their spools lose what they were made of", async () => {
  const { writer, done, add } = newWriter();
  for (const file of ["a1", "b1", "a2", "b2-last"]) add(file);
  await writer.finish(() => false);
  const first = ["write a1", "write b1", "save", "a1 done", "remove of a1", "b1 done", "remove of b1"];
  expect(done.slice(0, first.length)).toEqual(first);
  expect(done.slice(first.length).map((word) => word.replace("-last", ""))).toEqual([
    ...first.map((word) => word.replace("1", "2")),
    // Its machine's last one, told for itself.
    "save",
  ]);
});

test("a file that cannot be written is tried again; those of the same cut that are whole are told, and not made twice", async () => {
  const { writer, done, add } = newWriter(["b1"]);
  for (const file of ["a1", "b1", "c1"]) add(file);
  await writer.finish(() => false);
  expect(done.splice(0)).toEqual(["write a1", "save", "a1 done", "remove of a1"]);
  await writer.finish(() => false);
  expect(done).toEqual(["write b1", "write c1", "save", "b1 done", "remove of b1", "c1 done", "remove of c1"]);
});
