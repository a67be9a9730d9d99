/** Runs a tool of the build and returns its output; a failure is a BuildError with the command and its output. */
import { BuildError } from "./build-error.ts";

/** Standard output of the command. Messages of tools are asked for in English. */
export function run(command: string[], cwd?: string): string {
  const [tool] = command;
  if (tool === undefined || Bun.which(tool) === null) {
    throw new BuildError(`cannot run "${tool}": not installed`, `needed for: ${command.join(" ")}`);
  }
  const result = Bun.spawnSync(command, {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, LC_ALL: "C" },
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (result.exitCode !== 0) {
    throw new BuildError(`"${command.join(" ")}" failed:\n${result.stderr.toString().trim()}`);
  }
  return result.stdout.toString();
}
