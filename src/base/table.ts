/** A table of right-aligned columns; a first column of names is left-aligned. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  first: "left" | "right" = "right",
): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `${widths
      .map((width, column) => {
        const cell = cells[column] ?? "";
        return column === 0 && first === "left" ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd()}\n`;
  return [head, ...rows].map(line).join("");
}
