/**
 * A tracefs instance of this machine for one test file, and the reason to skip where there is none.
 *
 * An instance must not be removed while a sub-buffer of it lies in some pipe: freeing that page later oopses the kernel (6.18
 * seen). So `remove()` waits until no process holds a file of the instance, and tests close their pipes and FIFOs before it.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readlinkSync, rmdirSync } from "node:fs";
import { isTracefs, readTracing, writeTracing } from "../../src/kernel/tracefs.ts";

const mountPoint = "/sys/kernel/tracing";
let mounted = false;

/** Undefined when this machine's tracefs can be used, else why not. Mounts it when it is not; unmounted at exit. */
export function reasonWithoutTracefs(): string | undefined {
  if (process.geteuid?.() !== 0) return "needs root for tracefs";
  if (!isTracefs(mountPoint)) {
    if (!existsSync(mountPoint)) return "this kernel has no tracefs";
    try {
      execFileSync("mount", ["-t", "tracefs", "nodev", mountPoint], { stdio: "pipe" });
      mounted = true;
    } catch (error) {
      return `cannot mount tracefs: ${String(error)}`;
    }
  }
  if (!existsSync(`${mountPoint}/instances`)) return "this kernel has no tracefs instances";
  return undefined;
}

export class TracefsInstance {
  readonly name: string;
  readonly path: string;

  constructor(purpose: string) {
    this.name = `ta-${purpose}-${process.pid}`;
    this.path = `${mountPoint}/instances/${this.name}`;
    mkdirSync(this.path);
  }

  write(name: string, value: string): void {
    writeTracing(this.path, name, value);
  }

  read(name: string): string {
    return readTracing(this.path, name);
  }

  /** Ends tracing, forgets all events, makes every CPU's buffer `kb` large. */
  reset(kb = 1408): void {
    this.write("tracing_on", "0");
    this.write("set_event", "");
    this.write("buffer_size_kb", `${kb}`);
    this.write("trace", "");
    this.write("tracing_on", "1");
  }

  async remove(): Promise<void> {
    if (!existsSync(this.path)) return;
    this.write("tracing_on", "0");
    this.write("set_event", "");
    for (let tries = 0; ; tries++) {
      const holder = this.#holder();
      if (holder === undefined) break;
      if (tries > 100) throw new Error(`instance ${this.name} is held by process ${holder}`);
      await Bun.sleep(100);
    }
    rmdirSync(this.path);
    if (mounted && readdirSync(`${mountPoint}/instances`).length === 0) {
      execFileSync("umount", [mountPoint], { stdio: "pipe" });
      mounted = false;
    }
  }

  #holder(): string | undefined {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        for (const fd of readdirSync(`/proc/${pid}/fd`)) {
          if (readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(this.path)) return pid;
        }
      } catch {
        // Ended meanwhile.
      }
    }
    return undefined;
  }
}
