/**
 * Event formats and print fmts changed, on events of any bytes: each event is shown in some way, in bounded time; none makes
 * an error of ours. TRACE_AGENT_FUZZ_SEED=N runs one again.
 */
import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ByteWriter } from "../../src/base/byte-writer.ts";
import { setLogLevel } from "../../src/base/log.ts";
import { EventCatalog } from "../../src/events/event-catalog.ts";
import { EventRecord } from "../../src/events/event-record.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { openTraceDat } from "../../src/trace-dat/read/reader.ts";
import { EventJson } from "../../src/views/event-json.ts";
import { EventText } from "../../src/views/event-text.ts";
import { EventEncoder } from "../../src/views/perfetto/event-encoder.ts";
import { KernelSymbols } from "../../src/views/perfetto/kernel-symbols.ts";
import { ProtoWriter } from "../../src/views/perfetto/proto-writer.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";
import { Random } from "../support/random.ts";
import { testSeed } from "../support/seed.ts";
import { mutateText } from "./mutate.ts";

const formats = inQuickForm(150, inLongForm(600, 30_000));
const only = process.env["TRACE_AGENT_FUZZ_SEED"];
/** Of the processor, for three events in three forms. */
const mostMs = 5_000;
setLogLevel("silent");

const fixtures = join(import.meta.dir, "../fixtures");
const texts = readdirSync(fixtures, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(fixtures, entry.name, "trace.dat")))
  .flatMap(({ name }) => {
    const source = openTraceDat(join(fixtures, name, "trace.dat"));
    const formats = source.metadata.formats.map(({ system, text }) => ({ system, text }));
    source.close();
    return formats;
  });
const kallsyms = Array.from(
  { length: 50 },
  (_, index) => `ffffffff8100${(0x1000 + index * 16).toString(16)} T function_${index}\n`,
);
const printk = `0xffffffff82000010 : "a %s %d %*ph %pS %-20llx text\\n"\n0xffffffff82000020 : "%${"0".repeat(300)}d %s"\n`;

function dataOf(random: Random, id: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(8 + random.below(random.chance(0.1) ? 4_000 : 120)));
  const fill = random.pick([0, 0xff, 0x41, -1]);
  for (let at = 0; at < bytes.length; at++) bytes[at] = fill >= 0 && random.chance(0.8) ? fill : random.below(256);
  new DataView(bytes.buffer).setUint16(0, id, true);
  return bytes;
}

function fuzz(seed: number): void {
  const random = new Random(seed);
  const { system, text } = random.pick(texts);
  const changed = random.chance(0.3) ? mutateText(text, random) : mutatePrint(text, random);
  const id = Number(/^ID: (\d{1,5})$/m.exec(changed)?.[1] ?? 1);
  const littleEndian = random.chance(0.9);
  const longBytes = random.chance(0.9) ? 8 : 4;
  const catalog = new EventCatalog({
    layout: layoutOf(4096, longBytes, littleEndian),
    formats: [{ system: random.pick([system, system, "ftrace", "x"]), text: changed }],
    kallsyms: Buffer.from(kallsyms.join("")),
    printkFormats: printk,
    savedCommands: "1 init\n",
    cpus: 1,
    uname: "",
    cpuStats: [],
  });
  const out = new ByteWriter(() => {});
  const views = [new EventText(catalog, out, 0n), new EventJson(catalog, out, 0n)];
  const encoder = new EventEncoder(catalog, new KernelSymbols(catalog.symbols), 0n);
  const proto = new ProtoWriter(4096);
  const record = new EventRecord();
  for (let events = 0; events < 3; events++) {
    const data = dataOf(random, id);
    // Behind it lies nothing: what reads beyond the event reads beyond the view.
    const before = 4 * random.below(3);
    const bytes = new Uint8Array(before + data.length);
    bytes.set(data, before);
    record.attach(new DataView(bytes.buffer));
    record.at = before;
    record.size = data.length;
    const kind = catalog.kindOf(record);
    for (const view of views) view.line(record, kind);
    proto.length = 0;
    encoder.encode(record, proto, 2);
  }
}

/** Only the print fmt, so that fields stay as they are. */
function mutatePrint(text: string, random: Random): string {
  const at = text.indexOf("\nprint fmt:") + 11;
  return text.slice(0, at) + mutateText(text.slice(at), random);
}

function fuzzInTime(seed: number): void {
  const begun = process.cpuUsage();
  try {
    fuzz(seed);
  } catch (cause) {
    throw new Error(`seed ${seed}: ${String(cause)}`, { cause });
  }
  const { user, system } = process.cpuUsage(begun);
  const tookMs = (user + system) / 1000;
  if (tookMs > mostMs) throw new Error(`seed ${seed}: ${tookMs.toFixed(0)} ms`);
}

test(`events of ${formats} changed formats are shown`, () => {
  expect(texts.length).toBeGreaterThan(100);
  if (only !== undefined) return fuzzInTime(Number(only));
  for (let seed = testSeed; seed < testSeed + formats; seed++) fuzzInTime(seed);
}, 7_200_000);
