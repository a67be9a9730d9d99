/**
 * How fast this machine's time stamp counter counts. It is that of emulated guests, too, whose kernels would measure it against an
 * emulated timer: on a busy machine they came to 75 MHz or 870 MHz instead of 2445, and their clocks and timeouts ran many times too
 * fast, in a kept guest for good.
 */
import { cc } from "bun:ffi";
import { join } from "node:path";

const measureMs = 100;
/** Guests are kept by what they were started with: that must come out alike each time. */
const roundKhz = 100;

let measuredKhz: number | undefined;

export function timeStampCounterKhz(): number {
  return (measuredKhz ??= measure());
}

function measure(): number {
  const source = join(import.meta.dir, "time-stamp-counter.c");
  const counter = cc({ source, symbols: { count: { args: [], returns: "u64" } } });
  try {
    /** The closest of many, so that no interruption lies between counter and clock. */
    const read = (): { ns: number; count: bigint } => {
      let best = { widthNs: Infinity, ns: 0, count: 0n };
      for (let tries = 0; tries < 200; tries++) {
        const before = Bun.nanoseconds();
        const count = counter.symbols.count();
        const after = Bun.nanoseconds();
        if (after - before < best.widthNs) best = { widthNs: after - before, ns: (before + after) / 2, count };
      }
      return best;
    };
    const begin = read();
    Bun.sleepSync(measureMs);
    const end = read();
    const khz = (Number(end.count - begin.count) / (end.ns - begin.ns)) * 1e6;
    return Math.round(khz / roundKhz) * roundKhz;
  } finally {
    counter.close();
  }
}
