/** How a line says which machine and ring buffer its event is of, where there are several: as `trace-cmd report` does. */
import type { RecordedPart } from "../trace-dat/parts.ts";

/** "" for the top-level buffer of the only machine. */
export function labelOf({ machine, buffer }: Pick<RecordedPart, "machine" | "buffer">): string {
  if (machine === "" || buffer === "") return machine + buffer;
  return `${machine}/${buffer}`;
}

/** By part what stands before its lines: labels to the right, and blanks for a part without one; "" for a single part. */
export function prefixesOf(parts: readonly RecordedPart[]): string[] {
  const labels = parts.map(labelOf);
  const width = Math.max(0, ...labels.map(({ length }) => length));
  if (width === 0) return labels;
  return labels.map((label) => (label === "" ? " ".repeat(width + 2) : `${label.padStart(width)}: `));
}
