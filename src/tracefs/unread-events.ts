/**
 * Whether CPUs' ring buffers hold events that nobody has read: the first line of their stats. Asked many times a second, so the
 * files stay open, and nothing is allocated.
 */
import { SystemError } from "../../ffi/errno.ts";
import { closeFd, O, openFd, readAt } from "../../ffi/fd.ts";

/** "entries: 0" and more digits (kernel/trace/trace.c, tracing_stats_read). */
const label = "entries: ";
const zero = 0x30;
const notOpen = -1;

export class UnreadEvents {
  readonly #tracingDirectory: string;
  readonly #cpus: readonly number[];
  readonly #fds: Int32Array;
  readonly #text = new Uint8Array(new ArrayBuffer(label.length + 1));

  constructor(tracingDirectory: string, cpus: readonly number[]) {
    this.#tracingDirectory = tracingDirectory;
    this.#cpus = cpus;
    this.#fds = new Int32Array(cpus.length).fill(notOpen);
  }

  open(): void {
    this.close();
    for (const [index, cpu] of this.#cpus.entries()) this.#fds[index] = openStats(this.#tracingDirectory, cpu);
  }

  /** Of the CPU at this place of the list. False where the kernel tells nothing of it. */
  has(index: number): boolean {
    const fd = this.#fds[index] ?? notOpen;
    if (fd === notOpen) return false;
    const count = readAt(fd, this.#text, 0);
    return count === this.#text.length && this.#text[label.length] !== zero;
  }

  /** Gives the files back: an instance cannot be removed while they are open. */
  close(): void {
    for (const fd of this.#fds) if (fd !== notOpen) closeFd(fd);
    this.#fds.fill(notOpen);
  }
}

function openStats(tracingDirectory: string, cpu: number): number {
  try {
    return openFd(`${tracingDirectory}/per_cpu/cpu${cpu}/stats`, O.RDONLY);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return notOpen;
  }
}
