/** A table of right-aligned columns. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => `${widths.map((width, column) => (cells[column] ?? "").padStart(width)).join("  ").trimEnd()}\n`;
  return [head, ...rows].map(line).join("");
}
