/** Man pages and completions as files, as the executable prints them, where distributions have them below /usr/share. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "../ffi/static/run.ts";

const completions: Record<string, string> = {
  bash: "bash-completion/completions/trace-agent",
  zsh: "zsh/vendor-completions/_trace-agent",
  fish: "fish/vendor_completions.d/trace-agent.fish",
};

/** Writes them into `folder`, which holds nothing else. */
export function writeShareFiles(executable: string, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  for (const [shell, path] of Object.entries(completions)) put(path, run([executable, "completion", shell]));
  const page = run([executable, "manual"]);
  put("man/man1/trace-agent.1", page);
  const names = [...page.matchAll(/^\\fBtrace\\-agent\\-([\w\\-]+)\\fR\(1\)/gm)];
  for (const [, escaped = ""] of names) {
    const name = escaped.replaceAll("\\-", "-");
    put(`man/man1/trace-agent-${name}.1`, run([executable, "manual", name]));
  }
}
