/** What the figures were made on. */
import { cpus, release, totalmem } from "node:os";
import { agentExecutable } from "./agent-executable.ts";

export type MachineFacts = Record<string, string>;

export function describeMachine(): MachineFacts {
  const [first] = cpus();
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " ") + " UTC",
    processor: `${cpus().length} x ${first?.model.trim() ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: release(),
    agent: firstLine([agentExecutable, "--version"]),
    bun: Bun.version,
    compiler: firstLine(["gcc", "--version"]),
    qemu: firstLine(["qemu-system-x86_64", "--version"]),
  };
}

function firstLine(command: string[]): string {
  try {
    return Bun.spawnSync(command).stdout.toString().split("\n")[0] ?? "";
  } catch {
    return "not installed";
  }
}
