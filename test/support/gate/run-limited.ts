/** Runs a program with a time limit, shows what it prints, and keeps it and the time that it took. */

export type LimitedRun = {
  output: string;
  /** What of it came on standard error: all that `bun test` reports. */
  errors: string;
  exitCode: number;
  timedOut: boolean;
  wallSeconds: number;
  /** Its own, and of what it started and waited for. */
  cpuSeconds: number;
};

/** Process groups that run now: they are killed when the gate is. */
const running = new Set<number>();

/**
 * For how long output is waited for when all of the group has ended. What the group wrote is in the pipe by then; its end does not
 * come while a process that left the group holds it.
 */
const outputLimitMs = 60_000;

export type LimitedOptions = {
  limitMs: number;
  /** Added to this process's environment. */
  env?: Record<string, string>;
  /** Takes what it prints, line by line, as it comes. */
  show?: (text: string) => void;
  /** For how long its output is waited for behind its end. */
  outputLimitMs?: number;
};

/** Runs `command` in a process group of its own. After `limitMs` the whole group is killed. */
export async function runLimited(command: string[], options: LimitedOptions): Promise<LimitedRun> {
  const show = options.show ?? ((): void => {});
  const begin = performance.now();
  // A new session: what hangs is ended with all that it started, and no terminal can stop it with a question.
  const child = Bun.spawn(command, {
    detached: true,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...options.env },
  });
  running.add(child.pid);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child.pid);
  }, options.limitMs);
  const lines: string[] = [];
  const errors: string[] = [];
  const give = (text: string, isError: boolean): void => {
    if (text === "") return;
    lines.push(text);
    if (isError) errors.push(text);
    show(text);
  };
  const streams = [new WholeLines(child.stdout), new WholeLines(child.stderr)];
  const shown = Promise.all(streams.map((stream, index) => stream.giveTo((text) => give(text, index === 1))));
  const exitCode = await child.exited;
  clearTimeout(timer);
  // What it left behind must not hold its output open, nor disturb what comes after.
  killGroup(child.pid);
  running.delete(child.pid);
  let steps = 0;
  // In steps: where this process itself stood still, it reads before it gives up.
  const held = setInterval(
    () => {
      if (++steps < 10) return;
      clearInterval(held);
      give("its output is held open by a process that left its group: what that writes is not shown\n", false);
      for (const stream of streams) stream.leave();
    },
    (options.outputLimitMs ?? outputLimitMs) / 10,
  );
  await shown;
  clearInterval(held);
  const cpuMicroseconds = Number(child.resourceUsage()?.cpuTime.total ?? 0);
  return {
    output: lines.join(""),
    errors: errors.join(""),
    exitCode,
    timedOut,
    wallSeconds: (performance.now() - begin) / 1000,
    cpuSeconds: cpuMicroseconds / 1e6,
  };
}

/** A stream of bytes as whole lines: two streams must not cut each other's. */
class WholeLines {
  readonly #reader;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** Resolves at the stream's end, or when it is left. */
  async giveTo(give: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      const text = rest + decoder.decode(value, { stream: true });
      const end = text.lastIndexOf("\n") + 1;
      rest = text.slice(end);
      give(text.slice(0, end));
    }
    give(rest);
  }

  leave(): void {
    void this.#reader.cancel();
  }
}

/** Ends all that runs; for the signals that end the gate. */
export function killRunning(): void {
  for (const pid of running) killGroup(pid);
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
