/** A body on its way in frames (protocol/README.md): filled one after the other, in memory that all of them share. */
import { guestLimits } from "../limits.ts";
import type { FrameReply } from "../../protocol/replies.ts";

/** Where a body comes from. `fill` writes its next bytes into `target` from `from` on and gives their end. */
export type BodySource = {
  fill: (target: Uint8Array<ArrayBuffer>, from: number) => number;
  /** All of it was given. */
  readonly done: boolean;
};

/** A body that is there already. The caller leaves it as it is. */
export function bodyOfBytes(bytes: Uint8Array): BodySource {
  let given = 0;
  return {
    fill: (target, from) => {
      const part = bytes.subarray(given, given + target.length - from);
      target.set(part, from);
      given += part.length;
      return from + part.length;
    },
    get done() {
      return given === bytes.length;
    },
  };
}

export class Frames {
  readonly settle: () => void;
  readonly #source: BodySource;
  readonly #buffer = new Uint8Array(new ArrayBuffer(guestLimits.replyWriteBytes));

  constructor(source: BodySource, settle: () => void) {
    this.#source = source;
    this.settle = settle;
  }

  get done(): boolean {
    return this.#source.done;
  }

  /** The next frame with its line; valid until the one after. */
  next(): Uint8Array<ArrayBuffer> {
    const end = this.#source.fill(this.#buffer, guestLimits.frameLineBytes);
    const bytes = end - guestLimits.frameLineBytes;
    const frame: FrameReply = this.done ? { reply: "frame", bytes, last: true } : { reply: "frame", bytes };
    const line = Buffer.from(`${JSON.stringify(frame)}\n`, "latin1");
    const begin = guestLimits.frameLineBytes - line.length;
    this.#buffer.set(line, begin);
    return this.#buffer.subarray(begin, end);
  }
}
