/** The files of the machine that `check` reads. Tests use a tree of their own, with faults in it. */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { isTracefs } from "../tracefs/tracefs.ts";

/** Bits of CapEff in /proc/PID/status (include/uapi/linux/capability.h). */
export const Capability = { sysResource: 24, syslog: 34 } as const;

export class MachineView {
  /** Prefix of /proc, /sys and /dev. */
  readonly root: string;
  readonly uid: number;

  constructor(root = "", uid = process.geteuid?.() ?? -1) {
    this.root = root;
    this.uid = uid;
  }

  /** Undefined if the file does not exist or may not be read. */
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
    return errnoOf(error) ?? String(error);
  }
}
