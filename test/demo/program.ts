/** Runs the built executable, as a person on the host would. */
import { executable } from "../support/agent-process.ts";

/** Standard output of `trace-agent WORDS`; its log goes on to stderr. Throws when it fails. */
export async function traceAgent(...words: string[]): Promise<string> {
  const child = Bun.spawn([executable, ...words], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`trace-agent ${words.join(" ")}: exit code ${code}\n${stderr}`);
  return stdout;
}
