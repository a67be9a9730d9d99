/**
 * What a kernel's symbols and printk formats depend on besides its boot: its modules and their addresses, whether
 * addresses are visible, and how many formats there are. With the same values, kept symbols are still valid.
 */
import { readFileSync } from "node:fs";

export type SymbolsState = {
  /** A hash of the modules' names, sizes and addresses; "" where the kernel has none. */
  modules: string;
  kptrRestrict: string;
  printkBytes: number;
};

export function symbolsState(directory: string): SymbolsState {
  const [top = directory] = directory.split("/instances/");
  return {
    modules: hashOfModules(textOf("/proc/modules")),
    kptrRestrict: textOf("/proc/sys/kernel/kptr_restrict").trim(),
    printkBytes: textOf(`${top}/printk_formats`).length,
  };
}

/** "NAME SIZE USES USERS STATE ADDRESS": uses and users change all the time (proc_modules(5)). */
function hashOfModules(text: string): string {
  if (text === "") return "";
  const hasher = new Bun.CryptoHasher("sha256");
  for (const line of text.split("\n")) {
    const [name = "", size = "", , , , address = ""] = line.split(" ");
    hasher.update(`${name} ${size} ${address}\n`);
  }
  return hasher.digest("hex").slice(0, 32);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
