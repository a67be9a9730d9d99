/** The files of the machine that `check` looks at. Tests give it a tree of their own, with what is broken in it. */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { isTracefs } from "../kernel/tracefs.ts";

/** Bits of CapEff in /proc/PID/status (include/uapi/linux/capability.h). */
export const Capability = { sysResource: 24, syslog: 34 } as const;

export class MachineView {
  /** Stands before /proc, /sys and /dev. */
  readonly root: string;
  readonly uid: number;

  constructor(root = "", uid = process.geteuid?.() ?? -1) {
    this.root = root;
    this.uid = uid;
  }

  /** Undefined where the file is not there or may not be read. */
  read(path: string): string | undefined {
    try {
      return readFileSync(`${this.root}${path}`, "latin1").trimEnd();
    } catch {
      return undefined;
    }
  }

  list(path: string): string[] {
    try {
      return readdirSync(`${this.root}${path}`);
    } catch {
      return [];
    }
  }

  exists(path: string): boolean {
    return existsSync(`${this.root}${path}`);
  }

  isTracefs(path: string): boolean {
    return isTracefs(`${this.root}${path}`);
  }

  hasCapability(bit: number): boolean {
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(this.read("/proc/self/status") ?? "")?.[1];
    return effective !== undefined && ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 1n;
  }
}

/** Why this process may not read (and write) the file; undefined when it may. */
export function whyNoAccess(path: string, mode: "read" | "write"): string | undefined {
  try {
    accessSync(path, mode === "read" ? constants.R_OK : constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}
