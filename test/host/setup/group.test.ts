/** `setup --group`, tried by one who is in that group and nothing else: as an operator who is not root records guests. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "../../support/agent-process.ts";
import type { FakeAgentScript } from "../../support/fake-agent.ts";
import { type CommandEnd, traceAgent } from "../../support/recorder-process.ts";
import { ServedGuests } from "../../support/served-guest.ts";

const nobody = "65534";
const group = "60123";
const reason =
  process.getuid?.() !== 0 ? "not root" : Bun.which("setpriv") === null ? "no setpriv (Debian: util-linux)" : undefined;
if (reason !== undefined) console.log(`skipped: setup --group: ${reason}`);

const base = mkdtempSync(join(tmpdir(), "ta-group-"));
chmodSync(base, 0o755);
/** Where the project lies, others may not look. */
const program = join(base, "trace-agent");
if (reason === undefined) {
  copyFileSync(executable, program);
  chmodSync(program, 0o755);
}
const started: Bun.Subprocess[] = [];
const agents: ServedGuests[] = [];
let count = 0;
afterEach(async () => {
  for (const process of started.splice(0)) {
    process.kill("SIGKILL");
    await process.exited;
  }
  for (const agent of agents.splice(0)) await agent.end();
});
afterAll(() => rmSync(base, { recursive: true }));

/** Runs `trace-agent ARGS` as a user of this group, in a directory of the user's own. */
async function asMember(gid: string, directory: string, ...args: string[]): Promise<CommandEnd> {
  const user = ["setpriv", "--reuid", nobody, "--regid", gid, "--clear-groups", program];
  const child = Bun.spawn([...user, ...args], { cwd: directory, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  started.push(child);
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, stdout, stderr };
}

/** A guest's directory as root sets it up for the group, with an agent behind it, and a directory of the member's. */
async function guest(): Promise<{ directory: string; own: string }> {
  const directory = join(base, `vm${++count}`);
  const own = join(base, `own${count}`);
  mkdirSync(own);
  Bun.spawnSync(["chown", `${nobody}:${group}`, own]);
  const { code, stderr } = await traceAgent("setup", "vm", "--dir", directory, "--cpus", "2", "--group", group);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  const script = { transport: "fifo", cpus: 2, subBuffers: 10 } satisfies FakeAgentScript;
  agents.push(await ServedGuests.startAgents({ [directory]: script }));
  return { directory, own };
}

describe.skipIf(reason !== undefined)("a member of setup's group", () => {
  test("asks for the status", async () => {
    const { directory, own } = await guest();
    const { code, stderr, stdout } = await asMember(group, own, "status", directory);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^ *1 +armed +open/m);
  });

  test("records into a file of its own, also after root did", async () => {
    const { directory, own } = await guest();
    expect((await traceAgent("status", directory)).code).toBe(0);
    const { code, stderr, stdout } = await asMember(group, own, "record", directory, "-d", "0.2", "-o", "t.dat");
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^all +81920 +100 +0/m);
    const { uid, mode } = statSync(join(own, "t.dat"));
    expect({ uid, mode: mode & 0o777 }).toEqual({ uid: Number(nobody), mode: 0o600 });
    expect((await traceAgent("status", directory)).code).toBe(0);
  });

  test("is needed: another user is refused, with the remedy, and changes nothing", async () => {
    const { directory, own } = await guest();
    const before = statSync(directory).mtimeMs;
    const { code, stderr } = await asMember(nobody, own, "record", directory, "-d", "0.2", "-o", "t.dat");
    expect(code).toBe(77);
    expect(stderr).toContain("EACCES");
    expect(stderr).toMatch(/run it as root|group/);
    expect(statSync(directory).mtimeMs).toBe(before);
  });
});
