/** What the init of the running system is told after its files were written, and before they are taken away. */
import { existsSync } from "node:fs";
import { log } from "../log.ts";
import { virtioPorts } from "../kernel/virtio-ports.ts";
import { controlPortName } from "../protocol/ports.ts";
import type { InitName } from "./init.ts";

/** Files that are there when that init runs this system: not in a chroot, not while an image is made. */
const signs: Record<InitName, string | undefined> = {
  systemd: "/run/systemd/system",
  openrc: "/run/openrc/softlevel",
  sysv: undefined,
  none: undefined,
};

export function isRunning(init: InitName): boolean {
  const sign = signs[init];
  return sign !== undefined && existsSync(sign);
}

/** Starts the agent where the VM has the port, and anew where an older one runs. Never waits for it: this may be boot. */
export function startService(init: InitName, changed: boolean): void {
  if (!isRunning(init)) return;
  const hasPort = virtioPorts().has(controlPortName);
  if (init === "systemd") {
    run(["systemctl", "daemon-reload"]);
    if (changed) run(["systemctl", "--no-block", "try-restart", "trace-agent.service"]);
    if (hasPort) run(["systemctl", "--no-block", "start", "trace-agent.service"]);
    else log.info(`not started: this VM has no port "${controlPortName}" yet`);
  } else if (hasPort) run(["rc-service", "trace-agent", changed ? "restart" : "start"]);
}

export function stopService(init: InitName): void {
  if (!isRunning(init)) return;
  run(init === "systemd" ? ["systemctl", "stop", "trace-agent.service"] : ["rc-service", "trace-agent", "stop"]);
}

export function forgetService(init: InitName): void {
  if (init === "systemd" && isRunning(init)) run(["systemctl", "daemon-reload"]);
}

function run(command: readonly string[]): void {
  log.debug(command.join(" "));
  try {
    const { exitCode, stderr } = Bun.spawnSync([...command], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    if (exitCode !== 0) log.warn(`"${command.join(" ")}" failed: ${stderr.toString().trim()}`);
  } catch (error) {
    log.warn(`cannot run "${command.join(" ")}": ${error instanceof Error ? error.message : String(error)}`);
  }
}
