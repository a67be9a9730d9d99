/**
 * A tracefs instance of this machine for one test file, and the reason to skip where there is none.
 *
 * An instance must not be removed while a sub-buffer of it lies in some pipe: freeing that page later oopses the kernel (6.18
 * seen). So `remove()` waits until no process holds a file of the instance, and tests close their pipes and FIFOs before it.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { isTracefs, readTracing, writeTracing } from "../../src/tracefs/tracefs.ts";

const mountPoint = "/sys/kernel/tracing";
let mounted = false;

/**
 * Undefined when this machine's tracefs can be used, else why not. Mounts it when it is not; unmountTracefs() takes that back. The
 * gate does both around all groups: they run side by side, and none may unmount it under another.
 */
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

/** Does nothing where it was mounted before, or while an instance is left, or a file of it is open: others of this machine may look at it. */
export function unmountTracefs(): void {
  if (!mounted || readdirSync(`${mountPoint}/instances`).length > 0) return;
  mounted = spawnSync("umount", [mountPoint]).status !== 0;
}

/**
 * Takes away the instances of test processes that have ended: one that was killed could not. The gate calls it when a group has
 * ended. Those whose files somebody still holds stay.
 */
export function removeLeftInstances(): void {
  const instances = `${mountPoint}/instances`;
  if (!existsSync(instances)) return;
  for (const name of readdirSync(instances)) {
    const pid = (/^ta-test-(\d+)-/.exec(name) ?? /^ta-.+-(\d+)$/.exec(name))?.[1];
    const path = `${instances}/${name}`;
    if (pid === undefined || isAlive(pid) || holderOf(path) !== undefined) continue;
    try {
      writeTracing(path, "set_event", "");
      rmdirSync(path);
    } catch {
      // Another gate takes it away, too.
    }
  }
}

/** One that was killed and whose parent has not heard of it yet is not. */
export function isAlive(pid: string): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

/** A process that has a file there open. */
function holderOf(path: string): string | undefined {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        if (`${readlinkSync(`/proc/${pid}/fd/${fd}`)}/`.startsWith(`${path}/`)) return pid;
      }
    } catch {
      // Ended meanwhile.
    }
  }
  return undefined;
}

export class TracefsInstance {
  readonly name: string;
  readonly path: string;

  constructor(purpose: string) {
    this.name = `ta-${purpose}-${process.pid}`;
    this.path = `${mountPoint}/instances/${this.name}`;
    const reason = reasonWithoutTracefs();
    if (reason !== undefined) throw new Error(reason);
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
      const holder = holderOf(this.path);
      if (holder === undefined && this.#isRemoved()) break;
      // A loaded machine takes long to end what was killed.
      if (tries > 2_400) throw new Error(`instance ${this.name} is held by process ${holder}`);
      await Bun.sleep(100);
    }
    unmountTracefs();
  }

  /** False while somebody opens a file of it, who has no descriptor yet or no longer. */
  #isRemoved(): boolean {
    try {
      rmdirSync(this.path);
      return true;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EBUSY") return false;
      throw error;
    }
  }
}
