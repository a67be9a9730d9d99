/** Runs a program with a time limit, shows what it prints, and keeps it. */

export type LimitedRun = { output: string; exitCode: number; timedOut: boolean };

/** Process groups that run now: they are killed when the gate is. */
const running = new Set<number>();

export type LimitedOptions = {
  limitMs: number;
  /** Added to this process's environment. */
  env?: Record<string, string>;
  /** Takes what it prints, as it comes; our own output by default. */
  show?: (text: string) => void;
};

/** Runs `command` in a process group of its own. After `limitMs` the whole group is killed. */
export async function runLimited(command: string[], options: LimitedOptions): Promise<LimitedRun> {
  const show = options.show ?? ((text: string): unknown => process.stdout.write(text));
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
  const chunks: string[] = [];
  const take = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true });
      chunks.push(text);
      show(text);
    }
  };
  const shown = Promise.all([take(child.stdout), take(child.stderr)]);
  const exitCode = await child.exited;
  clearTimeout(timer);
  // What it left behind must not hold its output open, nor disturb what comes after.
  killGroup(child.pid);
  running.delete(child.pid);
  await shown;
  return { output: chunks.join(""), exitCode, timedOut };
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
