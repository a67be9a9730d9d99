/**
 * An event's format in a trace.dat. A recording has thousands and shows a few: of the others only the name and the number
 * are read, which stand in the first two lines.
 */
import { headBytes, headInBeginning, parseEventHead } from "../../events/event-format.ts";
import { eventLimits } from "../../events/limits.ts";
import type { EventHead, EventText } from "../../events/trace-metadata.ts";
import type { FileCursor } from "./cursor.ts";
import type { TraceFile } from "./file.ts";

export class RecordedFormat implements EventText {
  readonly system: string;
  readonly head: EventHead | undefined;
  readonly #file: TraceFile;
  readonly #position: number;
  readonly #bytes: number;

  /** Takes it from the cursor: its u64 length, and its text. */
  constructor(cursor: FileCursor, system: string) {
    const bytes = cursor.u64();
    cursor.spend(Math.min(bytes, cursor.file.size));
    this.system = system;
    this.#file = cursor.file;
    this.#position = cursor.position;
    this.#bytes = bytes;
    const beginning = cursor.peek(Math.min(bytes, headBytes));
    cursor.pass(bytes);
    this.head =
      bytes > eventLimits.eventFormatBytes
        ? undefined
        : (headInBeginning(system, beginning) ?? parseEventHead(system, this.text));
  }

  /** latin1: each char one byte. */
  get text(): string {
    const bytes = Buffer.alloc(this.#bytes);
    if (this.#file.readAt(bytes, this.#position) !== this.#bytes) throw this.#file.damaged("it ends too early");
    return bytes.toString("latin1");
  }
}
