/** Runs a program with a time limit, shows what it prints, and keeps it and the time that it took. */

export type LimitedRun = {
  output: string;
  exitCode: number;
  timedOut: boolean;
  wallSeconds: number;
  /** Its own, and of what it started and waited for. */
  cpuSeconds: number;
};

/** Process groups that run now: they are killed when the gate is. */
const running = new Set<number>();

export type LimitedOptions = {
  limitMs: number;
  /** Added to this process's environment. */
  env?: Record<string, string>;
  /** Takes what it prints, line by line, as it comes. */
  show?: (text: string) => void;
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
  // Whole lines: the two streams must not cut each other's.
  const take = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    let rest = "";
    const give = (text: string): void => {
      if (text === "") return;
      lines.push(text);
      show(text);
    };
    for await (const chunk of stream) {
      const text = rest + decoder.decode(chunk, { stream: true });
      const end = text.lastIndexOf("\n") + 1;
      rest = text.slice(end);
      give(text.slice(0, end));
    }
    give(rest);
  };
  const shown = Promise.all([take(child.stdout), take(child.stderr)]);
  const exitCode = await child.exited;
  clearTimeout(timer);
  // What it left behind must not hold its output open, nor disturb what comes after.
  killGroup(child.pid);
  running.delete(child.pid);
  await shown;
  const cpuMicroseconds = Number(child.resourceUsage()?.cpuTime.total ?? 0);
  return {
    output: lines.join(""),
    exitCode,
    timedOut,
    wallSeconds: (performance.now() - begin) / 1000,
    cpuSeconds: cpuMicroseconds / 1e6,
  };
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
