/** Informs the init of the running system after its files were written, and before they are removed. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { log } from "../base/log.ts";
import { virtioPorts } from "../transport/virtio.ts";
import { controlPortName } from "../protocol/ports.ts";
import type { InitName } from "./init.ts";
import { recorderUnit } from "./recorder-service.ts";

/** Whether that init runs this system: not in a chroot, not while an image is being made. */
function isRunning(init: InitName): boolean {
  switch (init) {
    case "systemd":
      return existsSync("/run/systemd/system");
    case "openrc":
      return existsSync("/run/openrc/softlevel");
    case "sysv":
      return ownsFirstProcess();
    case "none":
      return false;
  }
}

/** Its scripts run under any init of that name, also BusyBox'. A chroot has another root than process 1. */
function ownsFirstProcess(): boolean {
  try {
    const [here, there] = [statSync("/"), statSync("/proc/1/root/")];
    return readFileSync("/proc/1/comm", "latin1") === "init\n" && here.dev === there.dev && here.ino === there.ino;
  } catch {
    return false;
  }
}

/**
 * Starts the agent if the VM has the port, and restarts it if an older one runs. Never waits for it: this may be
 * boot.
 */
export function startService(init: InitName, script: string | undefined, changed: boolean): void {
  if (!isRunning(init)) return;
  const hasPort = virtioPorts().has(controlPortName);
  if (init === "systemd") {
    run(["systemctl", "daemon-reload"]);
    if (changed) run(["systemctl", "--no-block", "try-restart", "trace-agent.service"]);
    if (hasPort) run(["systemctl", "--no-block", "start", "trace-agent.service"]);
    else log.info(`not started: this VM has no port "${controlPortName}" yet`);
  } else if (script !== undefined && hasPort) run([script, changed ? "restart" : "start"]);
}

export function stopService(init: InitName, script: string | undefined): void {
  if (!isRunning(init)) return;
  if (init === "systemd") {
    // One after the other, in this order: the end of the initramfs' agent starts the service.
    run(["systemctl", "stop", "trace-agent-early.service"]);
    run(["systemctl", "stop", "trace-agent.service"]);
  } else if (script !== undefined) run([script, "stop"]);
}

/** Starts the recorder, or restarts it so that it is this program. */
export function startRecorder(changed: boolean): void {
  if (!isRunning("systemd")) return;
  run(["systemctl", "daemon-reload"]);
  if (changed) run(["systemctl", "--no-block", "try-restart", recorderUnit]);
  run(["systemctl", "--no-block", "start", recorderUnit]);
}

export function stopRecorder(): void {
  if (isRunning("systemd")) run(["systemctl", "stop", recorderUnit]);
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
