/** Whether an agent has told its metadata. */

/** The last frame is there: of sections it says so itself, of all metadata the announced bytes have come. */
export function isWholeBody(bytes: Buffer): boolean {
  let begin = 0;
  for (;;) {
    const end = bytes.indexOf("\n", begin);
    if (end < 0) return false;
    const text = bytes.toString("latin1", begin, end);
    begin = end + 1;
    // An agent that is busy for long says so, before its answer and after it.
    if (text === "" || text.startsWith('{"reply":"progress"')) continue;
    const line = JSON.parse(text) as { bytes?: number };
    if (line.bytes !== undefined) return bytes.length >= begin + line.bytes;
    const last = bytes.lastIndexOf('"last":true}\n');
    return last >= 0 && bytes.indexOf('{"end":true}\n', last) >= 0;
  }
}
