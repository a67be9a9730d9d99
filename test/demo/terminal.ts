/** What the demo shows: steps, the commands as a person would type them, and one line of progress on a terminal. */

const columns = 100;
const lookMs = 200;
const begin = Date.now();

export function step(text: string): void {
  console.log(`\n[${((Date.now() - begin) / 1000).toFixed(1)} s] ${text}`);
}

export function detail(text: string): void {
  console.log(`    ${text.trimEnd().replaceAll("\n", "\n    ")}`);
}

/** Waits `seconds`, with what `status` says about it in one line that is written over; without a terminal in silence. */
export async function progress(seconds: number, status: () => string): Promise<void> {
  const end = Date.now() + seconds * 1000;
  for (let left = seconds * 1000; left > 0; left = end - Date.now()) {
    if (process.stdout.isTTY) {
      process.stdout.write(
        `\r    ${`${(left / 1000).toFixed(1)} s left, ${status()}`.slice(0, columns).padEnd(columns)}`,
      );
    }
    await Bun.sleep(Math.min(lookMs, left));
  }
  if (process.stdout.isTTY) process.stdout.write(`\r${" ".repeat(columns + 4)}\r`);
}

/** Rows as a table: the first cell to the left, the others to the right, the last one as it is. */
export function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row.map((cell, column) => (column < row.length - 1 ? cell.padStart(widths[column] ?? 0) : cell)).join("   "),
    )
    .join("\n");
}

/** 1234567 -> "1.2 MB". */
export function size(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
