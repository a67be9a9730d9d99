/** The file of this program, for the commands that copy it. */
import { AgentError } from "../base/errors.ts";

/** Only the built executable is one file; run from source, the program is Bun's executable and many files. */
export function ownExecutable(command: string): string {
  if (Bun.main.startsWith("/$bunfs/")) return process.execPath;
  throw new AgentError("unavailable", `cannot ${command}: this is not the built executable`, {
    remedy: `npm run build, then dist/trace-agent ${command}`,
  });
}
