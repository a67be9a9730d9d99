/** Guests whose agent is not trace-agent's: one process (guest-server.ts) serves all that the test files of a process have. */
import { atEnd } from "./at-end.ts";
import type { FakeAgentScript } from "./fake-agent.ts";
import type { HostileKind } from "./hostile-guest.ts";

export type GuestRequest = { directory: string } & (
  | { request: "agent"; script: FakeAgentScript }
  | { request: "hostile"; kind: HostileKind; cpus: number }
  | { request: "end" | "sendWithoutEnd" | "reboot" }
);

/** Guests that were started together, in directories that the ports are in already. */
export class ServedGuests {
  readonly #directories: readonly string[];

  private constructor(directories: readonly string[]) {
    this.#directories = directories;
  }

  static async startAgents(scripts: Readonly<Record<string, FakeAgentScript>>): Promise<ServedGuests> {
    const requests = Object.entries(scripts).map(([directory, script]) => ({ directory, script }));
    for (const { directory, script } of requests) await theServer().ask({ request: "agent", directory, script });
    return new ServedGuests(Object.keys(scripts));
  }

  static async startHostile(directory: string, kind: HostileKind, cpus: number): Promise<ServedGuests> {
    await theServer().ask({ request: "hostile", directory, kind, cpus });
    return new ServedGuests([directory]);
  }

  /** They are gone as VMs are that were killed. */
  async end(): Promise<void> {
    theServer().signal("SIGCONT");
    await this.#ask("end");
  }

  /** Of a script that says "later". */
  async sendWithoutEnd(): Promise<void> {
    await this.#ask("sendWithoutEnd");
  }

  async reboot(): Promise<void> {
    await this.#ask("reboot");
  }

  /** Until they go on: they, and all others that the test has. */
  hang(): void {
    theServer().signal("SIGSTOP");
  }

  goOn(): void {
    theServer().signal("SIGCONT");
  }

  async #ask(request: "end" | "sendWithoutEnd" | "reboot"): Promise<void> {
    for (const directory of this.#directories) await theServer().ask({ request, directory });
  }
}

const shared = globalThis as { traceAgentGuestServer?: GuestServer };

function theServer(): GuestServer {
  return (shared.traceAgentGuestServer ??= new GuestServer());
}

class GuestServer {
  readonly #process = Bun.spawn([process.execPath, `${import.meta.dir}/guest-server.ts`], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  /** Of those who wait for an answer, the first one first. */
  readonly #waiting: ((answer: string) => void)[] = [];

  constructor() {
    void this.#hear();
    atEnd(async () => {
      this.#process.kill("SIGKILL");
      await this.#process.exited;
    });
  }

  async ask(request: GuestRequest): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#waiting.push(resolve);
    void this.#process.stdin.write(`${JSON.stringify(request)}\n`);
    void this.#process.stdin.flush();
    const answer = await promise;
    if (answer !== "done") throw new Error(`${request.request} of ${request.directory}: ${answer}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async #hear(): Promise<void> {
    let line = "";
    for await (const bytes of this.#process.stdout)
      for (const char of Buffer.from(bytes).toString()) {
        if (char !== "\n") line += char;
        else {
          this.#waiting.shift()?.(line);
          line = "";
        }
      }
    for (const resolve of this.#waiting.splice(0)) resolve("the process of the guests has ended");
  }
}
