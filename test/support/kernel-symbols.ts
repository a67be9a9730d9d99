/** The kernel's symbols, which change whenever somebody on this machine loads a module or a BPF program. */
import { readFileSync } from "node:fs";

const triesMax = 20;

/** What `read` gives while they stay as they are, and they. */
export async function whileSymbolsStay<T>(read: () => T | Promise<T>): Promise<{ symbols: Buffer; value: T }> {
  for (let tries = 0; tries < triesMax; tries++) {
    const symbols = kernelSymbols();
    const value = await read();
    if (kernelSymbols().equals(symbols)) return { symbols, value };
  }
  throw new Error(`the kernel's symbols changed ${triesMax} times while they were read`);
}

function kernelSymbols(): Buffer {
  return readFileSync("/proc/kallsyms");
}
