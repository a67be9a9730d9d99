/** The machine's name as `uname -m` says it. */
import { machine } from "node:os";

/** Bun says arm64 where the kernel says aarch64. */
export function machineName(): string {
  const name = machine();
  return name === "arm64" ? "aarch64" : name;
}
