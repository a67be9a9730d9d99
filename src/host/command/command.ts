/**
 * The command of `record --local -- COMMAND`: a process that waits with all in place until the recording runs (start-command.ts), so
 * that its pid is known before its first instruction, and a command that cannot be run changes nothing.
 *
 * A forked child cannot run JavaScript, so it is this program once more that becomes the user and then the command.
 */
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { E } from "../../../ffi/errno.ts";
import { closeFd, O, readInto, writeFrom } from "../../../ffi/fd.ts";
import { makePipe } from "../../../ffi/pipe.ts";
import { AgentError, messageOf } from "../../base/errors.ts";
import { hostLimits } from "../limits.ts";
import { ownCommand } from "../own-command.ts";
import { localCommandName, type StartOrders } from "./orders.ts";
import type { RunAs } from "./run-as.ts";

const signalNumbers: Record<string, number> = constants.signals;

/** A shell's exit code for a command that a signal ended is 128 and its number. */
const endedBySignal = 128;

/** Bits of SIGPIPE (13) and SIGXFSZ (25). */
const ignoredByRuntime = (1n << 12n) | (1n << 24n);

/** Of this process as it began. The runtime ignores two signals for itself, and takes all descriptors that it may have. */
const inherited = { ignoredSignals: ignoredSignals(), descriptorLimit: descriptorLimit() };

/** It could not be run: the message is on stderr already. */
export class CommandNotRun extends Error {
  override readonly name = "CommandNotRun";
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`the command could not be run: ${exitCode}`);
    this.exitCode = exitCode;
  }
}

export class Command {
  readonly #process: Bun.Subprocess;
  #go: number;

  private constructor(process: Bun.Subprocess, go: number) {
    this.#process = process;
    this.#go = go;
  }

  /** Gives a command that waits. Throws CommandNotRun where there is none of that name, or it may not be run. */
  static async prepare(runAs: RunAs | undefined): Promise<Command> {
    const go = makePipe();
    const ready = makePipe(O.NONBLOCK);
    let child: Bun.Subprocess;
    try {
      const orders: StartOrders = { recorder: process.pid, runAs, ...inherited };
      child = Bun.spawn([...ownCommand(), localCommandName, JSON.stringify(orders)], {
        stdio: ["inherit", "inherit", "inherit", go.read, ready.write],
      });
    } catch (cause) {
      closeFd(go.write);
      closeFd(ready.read);
      throw new AgentError("unavailable", `cannot start a process for the command: ${messageOf(cause)}`, { cause });
    } finally {
      closeFd(go.read);
      closeFd(ready.write);
    }
    const command = new Command(child, go.write);
    try {
      await isReady(child, ready.read);
      return command;
    } catch (error) {
      await command.cancel();
      throw error;
    } finally {
      closeFd(ready.read);
    }
  }

  /** The command's own: it is executed in the process that waits. */
  get pid(): number {
    return this.#process.pid;
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Its exit code as a shell gives it. */
  async ended(): Promise<number> {
    await this.#process.exited;
    const { exitCode, signalCode } = this.#process;
    return signalCode === null ? (exitCode ?? 0) : endedBySignal + (signalNumbers[signalCode] ?? 0);
  }

  get isStarted(): boolean {
    return this.#go < 0;
  }

  start(): void {
    if (this.isStarted) return;
    writeFrom(this.#go, new Uint8Array([1]));
    closeFd(this.#go);
    this.#go = -1;
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.hasEnded) this.#process.kill(signal);
  }

  /** One that was not started ends when its pipe does. */
  async cancel(): Promise<void> {
    if (this.#go >= 0) closeFd(this.#go);
    this.#go = -1;
    await this.#process.exited;
  }
}

/** A byte comes when it has its user and found its program; it ends without one when it cannot be run. */
async function isReady(child: Bun.Subprocess, fd: number): Promise<void> {
  const word = new Uint8Array(new ArrayBuffer(1));
  const end = performance.now() + hostLimits.commandReadyMs;
  while (performance.now() < end) {
    const count = readInto(fd, word);
    if (count === 1) return;
    if (count !== -E.EAGAIN && count !== -E.EINTR) throw new CommandNotRun(await child.exited);
    await Bun.sleep(hostLimits.commandReadyEveryMs);
  }
  throw new AgentError("unavailable", "cannot start the command: its process does not get ready");
}

function ignoredSignals(): string {
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0";
  return (BigInt(`0x${mask}`) & ~ignoredByRuntime).toString(16);
}

/** What the caller has: our own limit was raised before any code of ours ran. */
function descriptorLimit(): number {
  try {
    const limits = readFileSync(`/proc/${process.ppid}/limits`, "latin1");
    const soft = Number(/^Max open files\s+(\d{1,9})\s/m.exec(limits)?.[1]);
    if (soft > 0) return soft;
  } catch {
    // The caller has ended.
  }
  return hostLimits.commandDescriptors;
}
