/** The event at hand: where its bytes lie. One of these is filled again and again. */
export class EventRecord {
  view: DataView = new DataView(new ArrayBuffer(0));
  bytes = new Uint8Array(this.view.buffer);
  /** Where the event's data, its common fields first, begins in `view`. */
  at = 0;
  size = 0;
  cpu = 0;
  /** Relative to the epoch of the recording. */
  timestamp = 0;

  /** The bytes that `at` and `size` are about. */
  lieIn(view: DataView): void {
    this.view = view;
    this.bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }
}
