/** A running test guest, as a test uses it. */
import { closeSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import type { CommandResult, GuestConsole } from "./console.ts";
import { exchangeBytes, exchangeDevice, readDisk } from "./guest-disks.ts";
import { guestFolder } from "./guest-init.ts";
import type { Kernel } from "./kernel.ts";
import type { Transport } from "./qemu.ts";
import type { Qmp } from "./qmp.ts";

export type GuestParts = {
  kernel: Kernel;
  directory: string;
  transport: Transport;
  pid: number;
  commands: GuestConsole;
  qmp: Qmp;
  consoleText: () => string;
  /** The disk that carries bytes both ways; a guest with an init of its own has none. */
  exchange?: string;
  rebooted: () => Promise<void>;
  end: () => Promise<void>;
};

export type RunOptions = {
  /** The command is killed after this; 120 s by default, against hanging only. */
  timeoutMs?: number;
  /** True: an exit code other than 0 is returned, not thrown. */
  mayFail?: boolean;
};

export class Guest {
  readonly kernel: Kernel;
  /** The host ends of the ports: NAME.in and NAME.out, or NAME.sock. */
  readonly directory: string;
  readonly transport: Transport;
  /** QEMU's process. */
  readonly pid: number;
  readonly qmp: Qmp;
  readonly #parts: GuestParts;
  #spawned = 0;
  /** The exchange disk serves one after the other. */
  #exchanging: Promise<unknown> = Promise.resolve();
  #ended: Promise<void> | undefined;

  constructor(parts: GuestParts) {
    this.kernel = parts.kernel;
    this.directory = parts.directory;
    this.transport = parts.transport;
    this.pid = parts.pid;
    this.qmp = parts.qmp;
    this.#parts = parts;
  }

  /** Runs shell text by busybox sh as root. Throws with what it said when it fails, is killed, or the guest is gone. */
  async run(command: string, options: RunOptions = {}): Promise<CommandResult> {
    const { timeoutMs = 300_000, mayFail = false } = options;
    let result: CommandResult;
    try {
      result = await this.#parts.commands.run(command, timeoutMs);
    } catch (error) {
      const text = `in the guest: ${command}\n${String(error)}\n${await this.#machineState()}\n${this.consoleEnd()}`;
      throw new Error(text, { cause: error });
    }
    if (result.code === 0 || mayFail) return result;
    throw new Error(
      `in the guest: ${command}\nexit code ${result.code}\n${result.stdout}${result.stderr}\n${this.consoleEnd()}`,
    );
  }

  /** What QEMU says of the machine: where its CPUs are, and whether they sleep. */
  async #machineState(): Promise<string> {
    const monitor = (line: string): Promise<unknown> =>
      this.qmp.execute("human-monitor-command", { "command-line": line }).catch(String);
    const [status, registers] = [await monitor("info status"), await monitor("info registers -a")];
    return `${String(status)}${
      String(registers)
        .match(/CPU#\d+|RIP=\S+|HLT=\d/g)
        ?.join(" ") ?? String(registers)
    }`;
  }

  /** The command's standard output without its last newline. */
  async text(command: string, options: RunOptions = {}): Promise<string> {
    return (await this.run(command, options)).stdout.trimEnd();
  }

  /** Starts shell text in the background. `exec PROGRAM ...` at its end makes `pid` the program's own. */
  async spawn(command: string): Promise<GuestProcess> {
    const name = `${guestFolder}/spawn-${++this.#spawned}`;
    const script = Buffer.from(`echo $$ >${name}.pid\n${command}\n`).toString("base64");
    const pid = await this.text(
      `echo ${script} | base64 -d >${name}.script
       { setsid sh ${name}.script </dev/null >${name}.stdout 2>${name}.stderr; echo $? >${name}.code; } >/dev/null 2>&1 &
       until [ -s ${name}.pid ]; do usleep 5000; done
       cat ${name}.pid`,
    );
    return new GuestProcess(this, name, Number(pid), command);
  }

  /** Writes bytes, or a file of this machine, into the guest. */
  async push(source: Uint8Array | string, guestPath: string, mode?: number): Promise<void> {
    const bytes = typeof source === "string" ? readFileSync(source) : source;
    const fileMode = (mode ?? (typeof source === "string" ? statSync(source).mode & 0o777 : 0o644)).toString(8);
    await this.#exchange(async (disk) => {
      await this.run(`mkdir -p "$(dirname '${guestPath}')" && : >'${guestPath}' && chmod ${fileMode} '${guestPath}'`);
      for (let at = 0; at < bytes.length; at += exchangeBytes) {
        const part = bytes.subarray(at, at + exchangeBytes);
        const fd = openSync(disk, "r+");
        for (let written = 0; written < part.length;)
          written += writeSync(fd, part, written, part.length - written, written);
        closeSync(fd);
        await this.run(
          `blockdev --flushbufs ${exchangeDevice}; head -c ${part.length} ${exchangeDevice} >>'${guestPath}'`,
        );
      }
    });
  }

  /** The bytes of a file in the guest: fast, where \`run\` has a serial port for what a command writes. */
  async pull(guestPath: string): Promise<Buffer> {
    return await this.#exchange(async (disk) => {
      const size = Number(await this.text(`wc -c <'${guestPath}'`));
      const parts: Buffer[] = [];
      for (let at = 0; at < size; at += exchangeBytes) {
        const skip = `bs=1M skip=${at / 2 ** 20} count=${exchangeBytes / 2 ** 20}`;
        await this.run(`dd if='${guestPath}' of=${exchangeDevice} ${skip} conv=fsync 2>/dev/null`);
        parts.push(readDisk(disk, Math.min(exchangeBytes, size - at)));
      }
      return Buffer.concat(parts);
    });
  }

  /** Work with the disk that carries bytes between this machine and the guest. */
  #exchange<T>(work: (disk: string) => Promise<T>): Promise<T> {
    const { exchange } = this.#parts;
    if (exchange === undefined) throw new Error("a guest with an init of its own has no disk for push and pull");
    const result = this.#exchanging.then(() => work(exchange));
    this.#exchanging = result.catch(() => {});
    return result;
  }

  /** Resolves when the guest takes commands again after a reboot. Ask before what reboots it. Needs `reboot: true`. */
  rebooted(): Promise<void> {
    return this.#parts.rebooted();
  }

  /** All that the kernel and init wrote to the console. */
  console(): string {
    return this.#parts.consoleText();
  }

  consoleEnd(): string {
    return `-- end of the guest's console --\n${this.console().trimEnd().split("\n").slice(-25).join("\n")}`;
  }

  /** Ends QEMU and removes all that belongs to the guest. */
  close(): Promise<void> {
    this.#ended ??= this.#parts.end();
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** A process in the guest that `spawn` started. */
export class GuestProcess {
  readonly pid: number;
  readonly #guest: Guest;
  readonly #name: string;
  readonly #command: string;

  constructor(guest: Guest, name: string, pid: number, command: string) {
    this.#guest = guest;
    this.#name = name;
    this.pid = pid;
    this.#command = command;
  }

  stdout(): Promise<string> {
    return this.#guest.text(`cat ${this.#name}.stdout`);
  }

  stderr(): Promise<string> {
    return this.#guest.text(`cat ${this.#name}.stderr`);
  }

  async isAlive(): Promise<boolean> {
    return (await this.#guest.run(`[ -s ${this.#name}.code ]`, { mayFail: true })).code !== 0;
  }

  async kill(signal = "TERM"): Promise<void> {
    await this.#guest.run(`kill -${signal} ${this.pid}`);
  }

  /** Waits for the end and gives the exit code (128 + signal when it was killed). */
  async exitCode(timeoutMs = 300_000): Promise<number> {
    const wait = `until [ -s ${this.#name}.code ]; do usleep 200000; done; cat ${this.#name}.code`;
    try {
      return Number(await this.#guest.text(wait, { timeoutMs }));
    } catch (error) {
      throw new Error(`not ended within ${timeoutMs} ms: ${this.#command}\n${await this.stderr()}`, { cause: error });
    }
  }

  /** Waits until its standard error contains the text. */
  async says(text: string, timeoutMs = 300_000): Promise<void> {
    const quoted = text.replaceAll("'", "'\\''");
    const wait = `until grep -qF '${quoted}' ${this.#name}.stderr; do [ -s ${this.#name}.code ] && exit 3; usleep 400000; done`;
    const { code } = await this.#guest.run(wait, { timeoutMs, mayFail: true });
    if (code === 0 || (await this.stderr()).includes(text)) return;
    const why = code === 3 ? "it ended before" : `not within ${timeoutMs} ms`;
    throw new Error(
      `"${this.#command}" did not say "${text}": ${why}\n${await this.stderr()}\n${this.#guest.consoleEnd()}`,
    );
  }
}
