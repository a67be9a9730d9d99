/** Child processes of the benchmarks: none outlives the run, however that ends. */
import { join } from "node:path";
import { cacheFolder } from "../../../ffi/static/cache.ts";
import { benchProgram } from "./programs.ts";

export type Child = ReturnType<typeof startChild>;

/** Against hanging only, and less than a test has: what waits fails by itself, and its `finally` ends what was started. */
export const waitLimitMs = 300_000;

const children = new Set<{ kill: (signal?: NodeJS.Signals) => void }>();

/** Starts a program whose standard input and output the caller holds. */
export function startChild(command: string[], options: { cwd?: string } = {}) {
  // setpriv: it gets a signal when this process dies.
  const child = Bun.spawn(["setpriv", "--pdeathsig", "KILL", "--", ...command], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    // Recorders of benchmarks keep nothing in the machine's own cache.
    env: { ...process.env, CACHE_DIRECTORY: join(cacheFolder("bench"), "symbols") },
    ...options,
  });
  children.add(child);
  void child.exited.then(() => children.delete(child));
  return child;
}

/** For a signal: what waits for the children then fails, and takes its things away. */
export function killChildren(): void {
  for (const child of children) child.kill("SIGKILL");
}

/** Runs a program to its end; gives its standard output. `exitCode`: that it is to end with. */
export async function runChild(command: string[], options: { cwd?: string; exitCode?: number } = {}): Promise<string> {
  const child = startChild(command, options);
  const [text, errors, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== (options.exitCode ?? 0)) throw new Error(`${command.join(" ")}: exit code ${code}\n${errors}`);
  return text;
}

/** CPU time of all threads of these processes since they began, in nanoseconds. */
export async function cpuTimeNs(...pids: readonly number[]): Promise<number> {
  return Number(await runChild([benchProgram("workload"), "cputime", ...pids.map(String)]));
}

/** Lines of a stream, one at a time. */
export class Lines {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #text = "";

  readonly #errors: ReadableStream<Uint8Array> | undefined;

  /** `errors`: told when the lines end too soon. */
  constructor(stream: ReadableStream<Uint8Array>, errors?: ReadableStream<Uint8Array>) {
    this.#iterator = stream[Symbol.asyncIterator]();
    this.#errors = errors;
  }

  /** Rejects when no line came within the limit, if there is one. */
  async next(limitMs = waitLimitMs): Promise<string> {
    if (limitMs === Infinity) return await this.#next();
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`no line within ${limitMs} ms: ${this.#text}`)), limitMs);
    try {
      return await Promise.race([this.#next(), promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #next(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      const part = await this.#iterator.next();
      if (part.done === true) throw new Error(`the program ended: ${this.#text}${(await this.#errors?.text()) ?? ""}`);
      this.#text += Buffer.from(part.value).toString("latin1");
    }
  }
}

/** Waits until an agent says that it is armed; what it says later is read, and kept for `endOf`. */
export async function armed(agent: Child): Promise<void> {
  const lines = new Lines(agent.stderr);
  while (!(await lines.next()).includes("armed: "));
  lastLines.set(agent, []);
  void drain(agent, lines);
}

/** Of children whose errors are read by `drain`. */
const lastLines = new WeakMap<Child, string[]>();
const lastLinesMax = 20;

async function drain(child: Child, lines: Lines): Promise<void> {
  const last = lastLines.get(child) ?? [];
  try {
    for (;;) {
      last.push(await lines.next(Infinity));
      if (last.length > lastLinesMax) last.shift();
    }
  } catch {
    // It ended.
  }
}

/** What is known of a child that has ended by itself: how, and what it said last. Its errors must not be read elsewhere. */
export async function endOf(child: Child): Promise<string> {
  const code = await child.exited;
  const how = child.signalCode ?? `exit code ${code}`;
  const said = lastLines.get(child)?.join("\n") ?? (await child.stderr.text());
  return `${how}\n${said}`;
}

/** Whether a child has ended, by itself or by a signal. */
export function hasEnded({ exitCode, signalCode }: Pick<Child, "exitCode" | "signalCode">): boolean {
  return exitCode !== null || signalCode !== null;
}
