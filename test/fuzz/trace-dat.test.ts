/**
 * Recordings with bytes, tables and sections changed: each is shown or refused, in bounded time and memory; none makes an
 * error of ours. TRACE_AGENT_FUZZ_SEED=N runs one again.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentError } from "../../src/base/errors.ts";
import { setLogLevel } from "../../src/base/log.ts";
import { openTraceDat } from "../../src/trace-dat/read/reader.ts";
import { finishExport } from "../../src/views/exporter.ts";
import { exporters } from "../support/exporters.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";
import { Random } from "../support/random.ts";
import { testSeed } from "../support/seed.ts";
import { joinTraceDat, splitTraceDat } from "../support/trace-dat-sections.ts";
import { mutateBytes, mutateText } from "./mutate.ts";

const files = inQuickForm(40, inLongForm(150, 40_000));
const only = process.env["TRACE_AGENT_FUZZ_SEED"];
/** Of the processor, for all forms of a file: each has a second. */
const mostMs = 7_000;
const MiB = 1024 * 1024;
/** What reading a file once may take beside what this process holds already: a reader's 200 MiB without its runtime. */
const mostBytes = 150 * MiB;
/** What was read before is collected at this size, so that it is not taken for the next file's. */
const collectAtBytes = 200 * MiB;

const directory = mkdtempSync(join(tmpdir(), "trace-agent-fuzz-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
setLogLevel("silent");

const fixtures = join(import.meta.dir, "../fixtures");
const recordings = readdirSync(fixtures, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name }) =>
    readdirSync(join(fixtures, name))
      .filter((file) => file.endsWith(".dat"))
      .map((file) => readFileSync(join(fixtures, name, file))),
  );
const packed = readFileSync(join(fixtures, "v7-zstd/trace.dat"));

/** Each form of each reader, and only errors that are told. */
function read(path: string): void {
  for (const exporter of Object.values(exporters)) {
    if (process.memoryUsage.rss() > collectAtBytes) Bun.gc(true);
    const before = process.memoryUsage.rss();
    try {
      const source = openTraceDat(path);
      try {
        let bytes = 0;
        finishExport(exporter.begin([{ machine: "", buffer: "", source }], {}, (part) => void (bytes += part.length)));
      } finally {
        source.close();
      }
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
    }
    const taken = process.memoryUsage.rss() - before;
    if (taken > mostBytes) throw new Error(`it took ${(taken / MiB).toFixed(0)} MiB`);
  }
}

/** A whole section of tables changed, so that what is inside is reached whatever compresses it. */
function withOtherSections(random: Random): Buffer {
  const { head, algorithm, sections, options } = splitTraceDat(packed);
  const changed = random.below(sections.length);
  const others = sections.map(({ body }) => body);
  const data = random.pick(recordings);
  const page = (): Buffer => {
    const pages = Math.floor(data.length / 4096);
    const at = random.below(Math.max(1, pages)) * 4096;
    return Buffer.concat([data.subarray(at, at + 4096), Buffer.alloc(4096)]).subarray(0, 4096);
  };
  return joinTraceDat(
    {
      sections: sections.map((section, index) => {
        if (index !== changed) return section;
        const body = random.chance(0.5)
          ? mutateBytes(section.body, others, random)
          : Buffer.from(mutateText(Buffer.from(section.body).toString("latin1"), random), "latin1");
        return { id: section.id, body };
      }),
      options: options.map(({ id, body }) => ({
        id,
        body: random.chance(0.1) ? mutateBytes(body, others, random) : body,
      })),
    },
    Array.from({ length: 1 + random.below(4) }, (_, cpu) => ({
      cpu: random.chance(0.05) ? random.below(2 ** 32) : cpu,
      chunks: Array.from({ length: 1 + random.below(3) }, () =>
        random.chance(0.7) ? page() : mutateBytes(page(), others, random),
      ),
    })),
    {
      pageSize: random.chance(0.9) ? 4096 : random.pick([0, 1, 256, 1024, 65_536, 2 ** 31]),
      clock: random.pick(["local", "x86-tsc", "nosuch", algorithm, String(head.length)]),
    },
  );
}

function fuzz(seed: number): void {
  const random = new Random(seed);
  const file = random.chance(0.4)
    ? withOtherSections(random)
    : mutateBytes(random.pick(recordings), recordings, random);
  const path = join(directory, "trace.dat");
  writeFileSync(path, file);
  const begun = process.cpuUsage();
  try {
    read(path);
  } catch (cause) {
    throw new Error(`seed ${seed}: ${String(cause)}`, { cause });
  }
  const { user, system } = process.cpuUsage(begun);
  const tookMs = (user + system) / 1000;
  if (tookMs > mostMs) throw new Error(`seed ${seed}: ${tookMs.toFixed(0)} ms`);
}

test(`${files} changed recordings are shown or refused`, () => {
  if (only !== undefined) return fuzz(Number(only));
  for (let seed = testSeed; seed < testSeed + files; seed++) fuzz(seed);
  Bun.gc(true);
  // Of this process, which holds the test runner and all fixtures: none of 40,000 files leaves anything behind.
  expect(process.memoryUsage.rss()).toBeLessThan(collectAtBytes);
}, 7_200_000);
