/** How much memory the tables of one file may take: counted before it is taken, so that a small file cannot grow to gigabytes. */
import { traceDatLimits } from "../limits.ts";

const MiB = 1024 * 1024;

export class TableBudget {
  #left: number = traceDatLimits.tablesBytes;

  /** Takes `bytes` of it; undefined, or what is wrong where so much is not left. */
  take(bytes: number): string | undefined {
    if (bytes > this.#left)
      return `its tables need more than ${traceDatLimits.tablesBytes / MiB} MiB, which no kernel's do`;
    this.#left -= bytes;
    return undefined;
  }
}
