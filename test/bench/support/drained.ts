/** What came out of a ring buffer that was full, by the lines of the sink. */

/**
 * Nearly all of it: the kernel's agent keeps the last sub-buffers. A loaded machine, or a guest on one, can be silent in the middle for
 * longer than the sink waits.
 */
export async function drained(
  sink: { sinkLine: () => Promise<string> },
  bytesLeast: number,
): Promise<{ bytes: number; first: number; last: number }> {
  const all = { bytes: 0, first: 0, last: 0 };
  while (all.bytes < bytesLeast) {
    const [bytes = 0, first = 0, last = 0] = (await sink.sinkLine()).split(" ").map(Number);
    all.bytes += bytes;
    all.first ||= first;
    all.last = last;
  }
  return all;
}
