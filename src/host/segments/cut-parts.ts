/** What those who cut a recording need of their recorder, and how large the pieces are that they let it write. */
import { hostLimits } from "../limits.ts";

/** Cut after so many bytes of all machines, or so much time. */
export type RotateEvery = { bytes?: number | undefined; ms?: number | undefined };

export type RotationParts = {
  every: RotateEvery;
  latencyMs: number;
  past: boolean;
  /** Lets the ports be served. */
  turn: () => Promise<void>;
  /** Ends the recording. */
  stop: (why: string) => void;
};

/** A power of two, so that whole sub-buffers fit whatever their size. */
export function pieceBytes(wanted: number, subBufferBytes: number): number {
  const { pieceMinBytes, pieceMaxBytes } = hostLimits;
  const bounded = Math.min(pieceMaxBytes, Math.max(pieceMinBytes, wanted));
  const power = 2 ** Math.floor(Math.log2(bounded));
  return Math.max(1, Math.ceil(power / subBufferBytes)) * subBufferBytes;
}
