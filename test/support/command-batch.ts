/** Many commands in one process (run-commands.ts), a few by the executable, and what each said. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "./agent-process.ts";

export type Said = { code: number; stderr: Buffer };
export type Batch = {
  said: Said[];
  /** Of all of them. */
  stdout: Buffer;
};

type Where = { cwd?: string; env?: Record<string, string | undefined> };

/** One process of sources starts in the CPU time of some nine of the executable. */
const commandsAlone = 8;

export async function runBatch(
  commands: readonly (readonly string[])[],
  { cwd = process.cwd(), env = process.env }: Where = {},
): Promise<Batch> {
  if (commands.length <= commandsAlone) return await runAlone(commands, { cwd, env });
  const directory = mkdtempSync(join(tmpdir(), "trace-agent-batch-"));
  try {
    const [file, mark] = [join(directory, "commands"), `behind-${crypto.randomUUID()}:`];
    writeFileSync(file, JSON.stringify(commands));
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "run-commands.ts"), mark, file], {
      cwd,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = await Promise.all([child.stdout.bytes(), child.stderr.bytes()]);
    const said = dividedBy(mark, Buffer.from(stderr));
    if ((await child.exited) !== 0 || said.length !== commands.length) {
      const last = Buffer.from(stderr).subarray(-2000).toString();
      throw new Error(`"${commands[said.length]?.join(" ")}" ended the process:\n${last}`);
    }
    return { said, stdout: Buffer.from(stdout) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The same, each by the executable. */
async function runAlone(commands: readonly (readonly string[])[], where: Where): Promise<Batch> {
  const said: Said[] = [];
  const written: Uint8Array[] = [];
  for (const command of commands) {
    const child = Bun.spawn([executable, ...command], { ...where, stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr] = await Promise.all([child.stdout.bytes(), child.stderr.bytes()]);
    said.push({ code: await child.exited, stderr: Buffer.from(stderr) });
    written.push(stdout);
  }
  return { said, stdout: Buffer.concat(written) };
}

function dividedBy(mark: string, bytes: Buffer): Said[] {
  const said: Said[] = [];
  let at = 0;
  for (let end = bytes.indexOf(mark); end >= 0; end = bytes.indexOf(mark, at)) {
    const next = bytes.indexOf("\n", end) + 1;
    said.push({ code: Number(bytes.toString("latin1", end + mark.length, next)), stderr: bytes.subarray(at, end) });
    at = next;
  }
  return said;
}
