/** From when on the time of --rotate TIME counts. */
import { afterAll, afterEach, expect, mock, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { SessionDirectory } from "../../../src/host/machines/session-directory.ts";
import { Rotation } from "../../../src/host/segments/rotation.ts";
import { SegmentStore } from "../../../src/host/segments/segment-store.ts";
import { CutSource } from "../../support/cut-source.ts";
import { subBufferBytes } from "../../support/sub-buffers.ts";

const folder = mkdtempSync(`${tmpdir()}/ta-rotate-times-`);
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => mock.restore());
const [everyMs, turnMs] = [10_000, 50];

test("a file's time begins when all machines have started, and when one is there again after none was", async () => {
  let now = performance.now();
  spyOn(performance, "now").mockImplementation(() => now);
  const directory = SessionDirectory.open(`${folder}/out`, undefined);
  const parts = { latencyMs: 1, past: false, turn: () => Promise.resolve(), stop: () => {} };
  const rotation = new Rotation(new SegmentStore(directory, {}, { bytes: 0 }), { ...parts, every: { ms: everyMs } });

  const begin = (traceId: bigint): CutSource => {
    const source = new CutSource(rotation, directory, traceId);
    directory.newRecording(source.machine.entry, traceId, rotation.openFile("vm1"));
    return source;
  };
  const wait = (haveStarted: boolean): void => {
    for (const end = now + 2.5 * everyMs; now < end; now += turnMs) rotation.turn(haveStarted);
  };
  /** When it is cut, after now. */
  const nextCut = (source: CutSource): number => {
    source.receive(subBufferBytes);
    const open = (): string =>
      source.machine.entry.recordings.findLast(({ state }) => state === "recording")?.file ?? "";
    const [begun, file] = [now, open()];
    for (; open() === file && now < begun + 3 * everyMs; now += turnMs) {
      rotation.turn(true);
      source.tellCounters();
    }
    return now - begun;
  };

  wait(false);
  const first = begin(1n);
  wait(false);
  const cuts = [nextCut(first)];
  first.end();
  wait(true);
  const second = begin(2n);
  cuts.push(nextCut(second));
  mock.restore();
  for (const ms of cuts) {
    expect(ms).toBeGreaterThanOrEqual(everyMs);
    expect(ms).toBeLessThan(everyMs + 1000);
  }
  second.end();
  await rotation.finish(() => false);
  directory.close();
});
