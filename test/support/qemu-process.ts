/** A QEMU that runs: its QMP connection, the command loop on its second serial port, and its console's text. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { GuestConsole } from "./console.ts";
import { Qmp } from "./qmp.ts";

export type QemuProcess = {
  pid: number;
  commands: GuestConsole;
  qmp: Qmp;
  /** What QEMU, the kernel and init wrote so far. */
  consoleText: () => string;
  /** Ends it at once. */
  kill: () => Promise<void>;
};

/** Between the end of QEMU's connections and that of its process. */
const lastWordsMs = 500;

/**
 * Starts QEMU and waits until `ready`, for at most `timeoutMs`. `folder` gets its log; machineArguments put the console's
 * and the QMP socket there. Rejects with the last of what it said.
 */
export async function startQemu(
  words: string[],
  options: {
    folder: string;
    timeoutMs: number;
    env?: Record<string, string>;
    ready: (qemu: QemuProcess) => Promise<unknown>;
  },
): Promise<QemuProcess> {
  const { folder, timeoutMs } = options;
  // setpriv: QEMU must not outlive this process, however that ends.
  const child = Bun.spawn(["setpriv", "--pdeathsig", "KILL", "--", ...words], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: Bun.file(join(folder, "qemu.log")),
    env: { ...process.env, ...options.env },
  });
  const consoleText = (): string => textOf(join(folder, "qemu.log")) + textOf(join(folder, "console.log"));
  const commands = new GuestConsole((line) => {
    void child.stdin.write(line);
    void child.stdin.flush();
  });
  const gone = new AbortController();
  let timedOut = false;
  const finished = child.exited.then((code) => {
    const why = timedOut ? `not ready within ${timeoutMs} ms` : `QEMU's exit code ${code}`;
    const error = new Error(`the guest ended (${why})\n${lastLines(consoleText())}`);
    commands.end(error);
    gone.abort(error);
  });
  void pump(child.stdout, commands);
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  let qmp: Qmp | undefined;
  const kill = async (): Promise<void> => {
    qmp?.close();
    child.kill("SIGKILL");
    await finished;
  };
  try {
    qmp = await Qmp.connect(join(folder, "qmp.sock"), gone.signal);
    const qemu = { pid: child.pid, commands, qmp, consoleText, kill };
    await options.ready(qemu);
    return qemu;
  } catch (error) {
    // When QEMU ends, a call to it fails first; what QEMU said is more than that.
    await Promise.race([finished, Bun.sleep(lastWordsMs)]);
    const ended: unknown = gone.signal.aborted ? gone.signal.reason : error;
    await kill();
    throw ended;
  } finally {
    clearTimeout(timer);
  }
}

async function pump(stream: ReadableStream<Uint8Array>, commands: GuestConsole): Promise<void> {
  for await (const chunk of stream) commands.receive(chunk);
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, "latin1") : "";
}

/** The end of a console log, for an error's text. */
function lastLines(text: string): string {
  return text.trimEnd().split("\n").slice(-40).join("\n");
}
