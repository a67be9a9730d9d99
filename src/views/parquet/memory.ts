/** What a table's columns hold, counted as it grows; `all`: of all tables. */
export class Memory {
  bytes = 0;
  readonly all: { bytes: number };

  constructor(all: { bytes: number }) {
    this.all = all;
  }

  add(bytes: number): void {
    this.bytes += bytes;
    this.all.bytes += bytes;
  }
}
