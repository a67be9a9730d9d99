/** The current event: where its bytes are. One record is filled again and again. */
export class EventRecord {
  view: DataView = new DataView(new ArrayBuffer(0));
  bytes = new Uint8Array(this.view.buffer);
  /** Offset of the event's data, its common fields first, in `view`. */
  at = 0;
  size = 0;
  cpu = 0;
  /** Relative to the epoch of the recording. */
  timestamp = 0;

  /** The bytes that `at` and `size` refer to; `bytes`: the same, where they are at hand. */
  attach(view: DataView, bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)): void {
    this.view = view;
    this.bytes = bytes;
  }
}
