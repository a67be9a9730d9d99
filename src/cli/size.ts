/** Sizes on the command line: digits with an optional K, M or G (powers of 1024), as the kernel's agent reads them. */
import { AgentError } from "../base/errors.ts";

const factors: Record<string, number> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/** Bytes, or a usage error that names the option. */
export function parseSize(option: string, text: string): number {
  const [, digits, suffix] = /^(\d{1,15})([kKmMgG]?)$/.exec(text) ?? [];
  const bytes = Number(digits) * (factors[(suffix ?? "").toUpperCase()] ?? 1);
  if (digits === undefined || !Number.isSafeInteger(bytes)) {
    throw new AgentError("usage", `cannot read ${option} "${text}": not a size`, {
      remedy: "write it as 65536, 64K or 1M",
    });
  }
  return bytes;
}

/** "64K", "1M", "1000". */
export function formatSize(bytes: number): string {
  for (const [suffix, factor] of Object.entries(factors).toReversed()) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${suffix}`;
  }
  return `${bytes}`;
}
