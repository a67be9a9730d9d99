/** The sub-buffers of fake agents: a test sees by the fill of their data bytes whose they are. */
import { subBuffer } from "./sub-buffers.ts";

export const fillOf = (cpu: number, index: number): number => 1 + ((cpu * 31 + index) % 200);

/** Of an earlier session. */
export function staleSubBuffer(): Uint8Array {
  const bytes = subBuffer(5, 0xee);
  bytes.writeBigUInt64LE(1000n, 0);
  return bytes;
}

const full: Uint8Array[] = [];

/** 1 MiB of them, made once for each CPU. */
export function fullSubBuffers(cpu: number): Uint8Array {
  return (full[cpu] ??= Buffer.concat(Array.from({ length: 256 }, (_, index) => subBuffer(300, fillOf(cpu, index)))));
}
