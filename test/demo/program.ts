/** Runs the built executable, as a person on the host would. */
import { executable } from "../support/agent-process.ts";

/** Standard output of `trace-agent WORDS`. On a terminal its progress is seen; else its log is kept for the error. */
export async function traceAgent(...words: string[]): Promise<string> {
  const child = Bun.spawn([executable, ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: process.stderr.isTTY ? "inherit" : "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr?.text() ?? "", child.exited]);
  if (code !== 0) throw new Error(`trace-agent ${words.join(" ")}: exit code ${code}\n${stderr}`);
  return stdout;
}
