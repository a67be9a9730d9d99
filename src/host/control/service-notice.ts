/** Tells the service manager what a recorder does, as systemd's Type=notify asks for; nothing where there is none. */
import { Notifier } from "../../base/notify.ts";
import { counted } from "../../base/plural.ts";
import { hostLimits, MiB } from "../limits.ts";
import type { ControlStatus } from "./messages.ts";

export class ServiceNotice {
  readonly #notifier = new Notifier();
  readonly #status: () => ControlStatus;
  readonly #timer: NodeJS.Timeout | undefined;
  #told = "";

  constructor(status: () => ControlStatus) {
    this.#status = status;
    if (!this.#notifier.isHeard) return;
    this.#notifier.ready("starting");
    this.#timer = setInterval(() => this.#tell(), hostLimits.noticeEveryMs);
  }

  close(): void {
    // "Stopping" would make systemd wait for the end without asking for it: after a reload the next recording begins.
    clearInterval(this.#timer);
    this.#notifier.close();
  }

  #tell(): void {
    const text = noticeText(this.#status());
    // What was not taken is told again.
    if (text !== this.#told && this.#notifier.status(text)) this.#told = text;
  }
}

function noticeText({ state, machines, diskBytes }: ControlStatus): string {
  if (state === "finishing") return "writing the files of the recording";
  const count = (wanted: string): number => machines.filter((machine) => machine.state === wanted).length;
  const others = (["waiting", "left out"] as const).filter((wanted) => count(wanted) > 0);
  const rest = others.map((wanted) => `, ${count(wanted)} ${wanted}`).join("");
  return `recording ${counted(count("recording"), "machine")}${rest}; ${Math.round(diskBytes / MiB)} MiB on the disk`;
}
