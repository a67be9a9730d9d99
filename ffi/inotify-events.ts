/** What a read of an inotify descriptor holds. Apart from inotify.ts: who only reads need not link what makes one. */

/** include/uapi/linux/inotify.h */
export const IN = { Q_OVERFLOW: 0x4000, IGNORED: 0x8000 } as const;

/** struct inotify_event: i32 watch, u32 mask, u32 cookie, u32 length of the name that follows, which NULs fill up. */
const eventBytes = 16;

/**
 * `watch`: which one, -1 for none in particular; IN.Q_OVERFLOW: some were dropped; IN.IGNORED: the watch is gone. `name`: of the entry,
 * as latin1.
 */
export type DirectoryChange = { watch: number; mask: number; name: string };

/** The events in the first `count` bytes. */
export function* eventsIn(bytes: Uint8Array<ArrayBuffer>, count: number): Generator<DirectoryChange> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, count);
  for (let at = 0; at + eventBytes <= count;) {
    const end = at + eventBytes + view.getUint32(at + 12, true);
    const [name = ""] = Buffer.from(bytes.subarray(at + eventBytes, end))
      .toString("latin1")
      .split("\0");
    yield { watch: view.getInt32(at, true), mask: view.getUint32(at + 4, true), name };
    at = end;
  }
}
