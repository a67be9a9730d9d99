/** A recording whose tables are in memory only while it is read. */
import { expect, test } from "bun:test";
import { openTraceDat } from "../../src/trace-dat/read/reader.ts";
import { sourceOnDemand } from "../../src/trace-dat/source-on-demand.ts";
import type { TraceSource } from "../../src/trace-dat/trace-source.ts";
import { fixturePath } from "../fixtures/fixtures.ts";

const path = fixturePath("buffers-v7-zstd");

/** Opens files, and counts those that are open. */
class Opener {
  open = 0;
  readonly #paths: string[];

  constructor(...paths: string[]) {
    this.#paths = paths;
  }

  readonly next = (): TraceSource => {
    const source = openTraceDat((this.#paths.length > 1 ? this.#paths.shift() : this.#paths[0]) ?? "");
    this.open++;
    return {
      ...source,
      close: () => {
        this.open--;
        source.close();
      },
    };
  };
}

/** The first of each CPU's events, and what it is read with. */
function contentOf(source: TraceSource): unknown {
  const { metadata, cpus } = source;
  const { headerPage, formats, kallsyms, printkFormats, savedCommands, uname, traceClock, cpuStats } = metadata;
  const bytes = source.open().map((reader) => {
    const target = new Uint8Array(64 * 1024);
    return Bun.hash(target.subarray(0, reader.read(target)));
  });
  const texts = formats.map(({ system, text }) => `${system} ${text}`);
  return { headerPage, texts, kallsyms, printkFormats, savedCommands, uname, traceClock, cpuStats, cpus, bytes };
}

test("a source on demand holds its file only while it is read, and gives what the file gives, of each buffer", () => {
  const opener = new Opener(path);
  const whole = openTraceDat(path);
  const source = sourceOnDemand(path, opener.next);
  expect(opener.open).toBe(0);
  expect(source.metadata.uname).toBe(whole.metadata.uname);
  expect(source.buffers?.map(({ name, isEmpty }) => ({ name, isEmpty }))).toEqual(
    whole.buffers?.map(({ name, isEmpty }) => ({ name, isEmpty })) ?? [],
  );
  expect(opener.open).toBe(0);
  for (const [index, { source: buffer }] of source.buffers?.entries() ?? []) {
    const expected = whole.buffers?.[index]?.source ?? whole;
    expect(contentOf(buffer)).toEqual(contentOf(expected));
    expect(opener.open).toBe(1);
    buffer.release?.();
    expect(opener.open).toBe(0);
  }
  expect(contentOf(source)).toEqual(contentOf(whole));
  source.close();
  expect(opener.open).toBe(0);
  whole.close();
});

test("a source on demand refuses another recording in place of its file", () => {
  const opener = new Opener(path, fixturePath("big-endian-v7"));
  const source = sourceOnDemand(path, opener.next);
  expect(() => source.open()).toThrow("it became another recording after it was opened");
  expect(opener.open).toBe(0);
});
