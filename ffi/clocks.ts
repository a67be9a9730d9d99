/** The clocks of this machine: clock_gettime(2), and the processor's counter on x86. */
import { ptr } from "bun:ffi";
import { libc } from "./libc.ts";
import { readTsc } from "./tsc.ts";

/** include/uapi/linux/time.h. */
const clockIds = { mono_raw: 4, mono: 1, boot: 7, realtime: 0 } as const;
export type ClockName = keyof typeof clockIds;
export const clockNames = ["mono_raw", "mono", "boot", "realtime"] as const satisfies readonly ClockName[];

/** CLOCK_THREAD_CPUTIME_ID. */
const threadCpuClock = 3;
const threadTime = new BigInt64Array(new ArrayBuffer(16));
const threadTimeAddress = ptr(threadTime);

/** CPU time of this thread, in ms. */
export function threadCpuMs(): number {
  libc.clock_gettime(threadCpuClock, threadTimeAddress);
  return Number(threadTime[0]) * 1e3 + Number(threadTime[1]) / 1e6;
}

const nsOfSecond = 1_000_000_000n;
/** struct timespec: s64 seconds, s64 nanoseconds. */
const timespecNumbers = 2;

/** One reading of all clocks, in memory of its own: `take` costs a few system calls of the vDSO and nothing else. */
export class ClockReading {
  readonly #times = clockNames.map(() => new BigInt64Array(new ArrayBuffer(timespecNumbers * 8)));
  #tsc = 0n;

  take(): void {
    for (let index = 0; index < clockNames.length; index++) {
      const time = this.#times[index];
      const name = clockNames[index];
      if (time !== undefined && name !== undefined) libc.clock_gettime(clockIds[name], ptr(time));
    }
    if (readTsc !== undefined) this.#tsc = readTsc();
  }

  /** ns. */
  at(name: ClockName): bigint {
    const time = this.#times[clockNames.indexOf(name)];
    return (time?.[0] ?? 0n) * nsOfSecond + (time?.[1] ?? 0n);
  }

  /** Ticks; undefined where this machine has no such counter. */
  get tsc(): bigint | undefined {
    return readTsc === undefined ? undefined : this.#tsc;
  }
}
