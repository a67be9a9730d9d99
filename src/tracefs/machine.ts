/** The machine's name (`uname -m`), and the id of its boot. */
import { readFileSync } from "node:fs";
import { machine } from "node:os";

/** Bun says arm64 where the kernel says aarch64. */
export function machineName(): string {
  const name = machine();
  return name === "arm64" ? "aarch64" : name;
}

/** A random id that the kernel makes at each boot; "" if it cannot be read. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}
