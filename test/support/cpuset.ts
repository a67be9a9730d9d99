/** A cpuset cgroup with some of the CPUs, as systemd's AllowedCPUs=, cset and containers make them: version 1 or 2. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";

export class Cpuset {
  /** Begins a command line that is to run in it. */
  readonly through: readonly string[];
  readonly #path: string;

  constructor(name: string, cpus: string) {
    const parent = cpusetRoot();
    if (parent === undefined) throw new Error("no cpuset cgroups");
    this.#path = `${parent}/${name}-${process.pid}`;
    mkdirSync(this.#path);
    // Version 1 wants the memory nodes too, and before a process.
    if (existsSync(`${parent}/cpuset.mems`)) {
      writeFileSync(`${this.#path}/cpuset.mems`, readFileSync(`${parent}/cpuset.mems`));
    }
    writeFileSync(`${this.#path}/cpuset.cpus`, cpus);
    this.through = ["sh", "-c", `echo $$ > ${this.#path}/cgroup.procs && exec "$@"`, "sh"];
  }

  /** When no process is in it any more. */
  remove(): void {
    rmdirSync(this.#path);
  }
}

/** Undefined when cpusets can be made here, else why not. */
export function whyNoCpuset(): string | undefined {
  if (process.geteuid?.() !== 0) return "needs root for a cpuset";
  return cpusetRoot() === undefined ? "no cpuset cgroups here" : undefined;
}

function cpusetRoot(): string | undefined {
  if (existsSync("/sys/fs/cgroup/cpuset/cpuset.cpus")) return "/sys/fs/cgroup/cpuset";
  const controllers = "/sys/fs/cgroup/cgroup.subtree_control";
  return existsSync(controllers) && readFileSync(controllers, "latin1").split(/\s/).includes("cpuset")
    ? "/sys/fs/cgroup"
    : undefined;
}
