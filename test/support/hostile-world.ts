/** Guests that mean harm (hostile-guest.ts), and the host's commands on them. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeGuestDirectory } from "../../src/host/setup/setup.ts";
import { planSetup } from "../../src/host/setup/setup-plan.ts";
import { executable, eventually } from "./agent-process.ts";
import type { HostileKind } from "./hostile-guest.ts";
import { ServedGuests } from "./served-guest.ts";
import { signalTaken } from "./signals.ts";

export type AttackEnd = { code: number; seconds: number; peakMiB: number; stdout: string; stderr: string };

/** What a loaded machine adds to any time: start, the hello, writing the file. */
export const slackSeconds = 60;

/** What a command has said is read to its end, but for a stream that nobody reads. */
const lastWordsMs = 10_000;

/** A directory with such guests, and all that runs there. */
export class HostileWorld {
  readonly base = mkdtempSync(join(tmpdir(), "ta-hostile-"));
  readonly output = `${this.base}/out.dat`;
  readonly started: (() => Promise<unknown>)[] = [];
  #count = 0;

  async guestOf(kind: HostileKind, cpus = 1): Promise<string> {
    const directory = `${this.base}/vm${++this.#count}`;
    makeGuestDirectory(directory, planSetup(cpus), "fifo", undefined);
    const guest = await ServedGuests.startHostile(directory, kind, cpus);
    this.started.push(() => guest.end());
    return directory;
  }

  /** Ends what a test started, and removes what it wrote. */
  async endAll(): Promise<void> {
    for (const end of this.started.splice(0)) await end();
    this.removeOutput();
  }

  removeOutput(): void {
    for (const path of [this.output, `${this.output}.spool`]) rmSync(path, { recursive: true, force: true });
  }

  remove(): void {
    rmSync(this.base, { recursive: true });
  }
}

/** A command on such a guest, which is not named in its arguments. */
export class Attacked {
  stdout = "";
  stderr = "";
  readonly #world: HostileWorld;
  readonly #begunMs = performance.now();
  readonly #process;
  readonly #read: Promise<void>[];

  /** `stdout`: an fd that nobody reads. */
  constructor(world: HostileWorld, directory: string, [command = "", ...args]: readonly string[], stdout?: number) {
    this.#world = world;
    this.#process = Bun.spawn([executable, command, directory, ...args], {
      stdin: "ignore",
      stdout: stdout ?? "pipe",
      stderr: "pipe",
    });
    world.started.push(() => {
      this.#process.kill("SIGKILL");
      return this.#process.exited;
    });
    const take = async (stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> => {
      for await (const chunk of stream) add(Buffer.from(chunk).toString("latin1"));
    };
    this.#read = [take(this.#process.stderr, (text) => (this.stderr += text))];
    // Only the end is of interest: there may be hundreds of megabytes.
    if (this.#process.stdout instanceof ReadableStream)
      this.#read.push(take(this.#process.stdout, (text) => (this.stdout = (this.stdout + text).slice(-10_000))));
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** The first signal has reached it: a second one that comes before is none. */
  async signalled(signal: NodeJS.Signals): Promise<void> {
    await signalTaken(this.#process.pid, signal);
  }

  async running(): Promise<void> {
    const session = `${this.#world.output}.spool/spool.json`;
    await eventually(
      () =>
        this.stderr.includes("following ") ||
        this.stdout.includes("busy ") ||
        (existsSync(session) && readFileSync(session, "utf8").includes('"reply":"start"')),
      "it runs",
      () => this.stderr,
    );
  }

  async end(): Promise<AttackEnd> {
    const code = await this.#process.exited;
    const seconds = (performance.now() - this.#begunMs) / 1000;
    await Promise.race([Promise.all(this.#read), Bun.sleep(lastWordsMs)]);
    const peakMiB = (this.#process.resourceUsage()?.maxRSS ?? 0) / 2 ** 20;
    return { code, seconds, peakMiB, stdout: this.stdout, stderr: this.stderr };
  }
}
