/**
 * Which events' lines make garbage: `bun garbage.ts FILE...` writes a few events of each kind of the recordings again and again, and gives
 * a line of JSON for each that leaves an object behind. Run with `withoutCollector`: memory that is never given
 * back tells what was asked for, and without the last tiers of the compiler nothing that is asked for is left out.
 */
import { heapStats } from "bun:jsc";
import { basename, dirname } from "node:path";
import { ByteWriter } from "../../src/base/byte-writer.ts";
import { setLogLevel } from "../../src/base/log.ts";
import { EventIterator } from "../../src/timeline/event-iterator.ts";
import { openTraceDat } from "../../src/trace-dat/read/reader.ts";
import { EventText } from "../../src/views/event-text.ts";
import { type LineStyle, TimeDifferences } from "../../src/views/line-style.ts";
import { inQuickForm } from "./quick.ts";

export const withoutCollector = {
  BUN_JSC_useGC: "0",
  BUN_JSC_useDFGJIT: "0",
  BUN_GC_TIMER_DISABLE: "1",
};

export type Garbage = { recording: string; event: string; style: string; bytesPerEvent: number };

/** One object for each line would be 16 bytes at least. The heap grows by 16 KiB at a time. */
const lineBytesMost = 12;
/** In so many, one object for each line makes the heap grow: 16 bytes each, of which 16 KiB may be free. */
const rounds = inQuickForm(1_200, 2_048);
/** The heap may have grown for something else: then it is asked in more. */
const roundsAgain = 16_384;
/** Objects of 8,000 bytes and more lie outside of its blocks: the process grows by them. */
const largeBytesMost = rounds * 4_000;
/** Before: what is compiled meanwhile lies in the heap, too. */
const warmUpRounds = inQuickForm(256, 512);
/** Of kinds with the same format in all recordings. */
const eventsOfKind = inQuickForm(1, 3);

if (import.meta.main) {
  setLogLevel("error");
  const seen = new Map<string, number>();
  for (const file of process.argv.slice(2))
    for (const garbage of garbageOf(file, seen)) console.log(JSON.stringify(garbage));
}

function* garbageOf(file: string, seen: Map<string, number>): Generator<Garbage> {
  const styles: Record<string, () => LineStyle> = {
    plain: () => ({}),
    "-t": () => ({ fullTimes: true }),
    "--ts-diff": () => ({ timeDifferences: true, differences: new TimeDifferences() }),
    "-l": () => ({ latency: true }),
  };
  for (const [style, make] of Object.entries(styles)) {
    const source = openTraceDat(file);
    const iterator = new EventIterator(source);
    const out = new ByteWriter(() => {});
    const text = new EventText(iterator.catalog, out, iterator.epoch, iterator.inSeconds, make());
    const write = (times: number): void => {
      for (let round = 0; round < times; round++) {
        text.line(iterator.record, iterator.kind);
        out.length = 0;
      }
    };
    while (iterator.next()) {
      const { kind } = iterator;
      // How a line begins depends on the recording, not on the event.
      const what = style === "plain" ? `${kind?.format.name} ${kind?.format.print}` : `${style} ${file}`;
      const count = (seen.get(what) ?? 0) + 1;
      if (count > (style === "plain" ? eventsOfKind : 1)) continue;
      seen.set(what, count);
      write(warmUpRounds);
      const before = process.memoryUsage();
      write(rounds);
      const after = process.memoryUsage();
      if (after.heapTotal === before.heapTotal && after.rss - before.rss < largeBytesMost) continue;
      // This looks at each object, and takes 10 ms.
      const capacity = heapStats().heapCapacity;
      write(roundsAgain);
      const bytesPerEvent = (heapStats().heapCapacity - capacity) / roundsAgain;
      if (bytesPerEvent <= lineBytesMost) continue;
      const event = kind === undefined ? "(unknown)" : `${kind.format.system}:${kind.format.name}`;
      yield { recording: basename(dirname(file)), event, style, bytesPerEvent };
    }
    source.close();
  }
}
