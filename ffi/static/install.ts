/** `build.ts --install`: gets the compiler with apt where it is missing, for the commands that must work on a fresh machine. */
import { BuildError } from "./build-error.ts";
import { compilerPackage, findCompiler } from "./link.ts";
import { run } from "./run.ts";
import type { Target } from "./targets.ts";

/** Installs a target's compiler when there is none, and says so. Does nothing if it cannot: the build then reports the missing compiler. */
export function installCompiler(target: Target, say: (text: string) => void): void {
  try {
    findCompiler(target);
    return;
  } catch (error) {
    if (!(error instanceof BuildError) || process.getuid?.() !== 0 || Bun.which("apt-get") === null) throw error;
  }
  const name = compilerPackage(target);
  say(`installing ${name} with apt-get: compiles the entry code of the executable`);
  // Another installation may be running on this machine.
  const apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"];
  const install = [...apt, "install", "--yes", "--no-install-recommends", name];
  try {
    run(install);
  } catch {
    run([...apt, "update"]);
    run(install);
  }
}
