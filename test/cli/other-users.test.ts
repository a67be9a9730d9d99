/** Root in directories of other users, users in root's, and sudo: who may lead whom astray. Each trap is tried as it is laid. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { whyNoPerfettoPort, withPerfettoPort } from "../support/perfetto-port.ts";
import { readUntil } from "../support/read-until.ts";
import { testUnless } from "../support/test-unless.ts";
import { reasonWithoutTracefs, unmountTracefs } from "../support/tracefs.ts";
import { executable } from "../support/agent-process.ts";
import { runBatch } from "../support/command-batch.ts";
import { mallory, theirDirectory, theirFile, theirLink, withoutSudo } from "../support/other-user.ts";
import { makeRawSpool } from "../support/raw-spool.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const base = mkdtempSync(`${tmpdir()}/ta-users-`);
chmodSync(base, 0o755);
afterAll(() => rmSync(base, { recursive: true }));
const isRoot = process.geteuid?.() === 0;
const noPort = await whyNoPerfettoPort();
if (!isRoot) console.log("skipped: traps of other users (not root)");
let count = 0;
/** Of the spool that all places have. */
let recording = Buffer.alloc(0);

type End = { code: number; stdout: string; stderr: string };

function run(cwd: string, script: string, env: Record<string, string> = {}): End {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["bash", "-c", script, "bash", executable], {
    cwd,
    env: { ...withoutSudo, ...env },
  });
  return { code: exitCode, stdout: stdout.toString("latin1"), stderr: stderr.toString() };
}

/** As another user, of these groups. */
const as = ({ uid, gid }: { uid: number; gid: number }, script: string): string =>
  `setpriv --reuid ${uid} --regid ${gid} --clear-groups bash -c '${script}' bash "$1"`;

/** A directory of mallory's, and one of root's with a secret and a recording. */
function places(): { theirs: string; ours: string } {
  const [theirs, ours] = [`${base}/theirs-${++count}`, `${base}/ours-${count}`];
  mkdirSync(ours);
  writeFileSync(`${ours}/secret`, "root's own", { mode: 0o600 });
  makeRawSpool(`${ours}/raw.spool`);
  if (recording.length === 0) {
    expect(run(ours, "$1 recover raw.spool --metadata raw.spool.metadata -o t.dat").code).toBe(0);
    recording = readFileSync(`${ours}/t.dat`);
  } else writeFileSync(`${ours}/t.dat`, recording, { mode: 0o600 });
  theirDirectory(theirs);
  return { theirs, ours };
}

// `record --local` tells of its output only where it could record.
reasonWithoutTracefs();
afterAll(unmountTracefs);

describe.skipIf(!isRoot)("root in a directory of somebody else", () => {
  test("writes files of its own that nobody else reads", () => {
    const { theirs, ours } = places();
    expect(run(theirs, `$1 export ${ours}/t.dat -o out`)).toMatchObject({ code: 0, stderr: expect.any(String) });
    const { uid, gid, mode } = lstatSync(`${theirs}/out`);
    expect({ uid, gid, mode: mode & 0o7777 }).toEqual({ uid: 0, gid: 0, mode: 0o600 });
    expect(readdirSync(theirs)).toEqual(["out"]);
  });

  test("follows no link of theirs, at the end of a path or on its way, and replaces no file of theirs", async () => {
    const { theirs, ours } = places();
    theirLink(`${theirs}/out`, `${ours}/secret`);
    theirLink(`${theirs}/folder`, ours);
    theirLink(`${theirs}/dangling`, `${ours}/new`);
    theirFile(`${theirs}/file`, "mallory's own");
    run(theirs, `mkfifo fifo; chown ${mallory.uid} fifo`);
    const commands = ["out", "folder/secret", "folder/new", "dangling", "file", "fifo"].flatMap((name) => [
      ["export", `${ours}/t.dat`, "-o", name],
      ["recover", `${ours}/raw.spool`, "--metadata", `${ours}/raw.spool.metadata`, "-o", name],
      ["report", `${ours}/t.dat`, "-o", name],
    ]);
    const { said } = await runBatch(commands, { cwd: theirs, env: withoutSudo });
    for (const [index, { code, stderr }] of said.entries()) {
      const command = commands[index]?.join(" ") ?? "";
      if (command.endsWith("-o fifo") && command.startsWith("recover"))
        expect({ command, code }).toEqual({ command, code: 74 });
      else
        expect({ command, code, stderr: stderr.toString() }).toEqual({
          command,
          code: 77,
          stderr: expect.stringContaining("neither you nor root"),
        });
    }
    expect(run(theirs, "$1 record --local -e sched -d 1 -o out").code).toBe(77);
    expect(readFileSync(`${ours}/secret`, "latin1")).toBe("root's own");
    expect(readdirSync(ours).sort()).toEqual(["raw.spool", "raw.spool.metadata", "secret", "t.dat"]);
    expect(readFileSync(`${theirs}/file`, "latin1")).toBe("mallory's own");
  });

  test("makes no recording out of what a spool of theirs links to", async () => {
    const { theirs, ours } = places();
    run(ours, "head -c 8192 /dev/urandom >>secret");
    const trap = `${theirs}/trap.spool`;
    const { metadata } = makeRawSpool(trap);
    for (const name of ["", "/cpu0", "/cpu1"]) chownSync(`${trap}${name}`, mallory.uid, mallory.gid);
    const attempts: [string, () => void][] = [
      ["is a symbolic link", () => theirLink(`${trap}/cpu0`, `${ours}/secret`)],
      ["is a further name of a file of user 0", () => linkSync(`${ours}/secret`, `${trap}/cpu0`)],
      ["is not a regular file", () => mkdirSync(`${trap}/cpu0`)],
    ];
    for (const [reason, lay] of attempts) {
      rmSync(`${trap}/cpu0`, { recursive: true });
      lay();
      const commands = [
        ["recover", trap, "--metadata", metadata, "-o", `${ours}/out`],
        ["report", trap],
        ["export", trap, "-o", `${ours}/out`],
      ];
      const { said, stdout } = await runBatch(commands, { cwd: theirs, env: withoutSudo });
      expect({ codes: said.map(({ code }) => code), stdout: stdout.toString() }).toEqual({
        codes: [65, 65, 65],
        stdout: "",
      });
      for (const { stderr } of said) expect(stderr.toString()).toContain(`"cpu0" ${reason}`);
    }
    rmSync(`${trap}/cpu0`, { recursive: true });
    theirLink(`${trap}/metadata`, `${ours}/secret`);
    theirLink(`${trap}/session.json`, `${ours}/secret`);
    theirLink(`${trap}/spool.json`, `${ours}/secret`);
    expect(run(theirs, `$1 report ${trap}`).code).toBe(65);
    expect(readdirSync(ours).sort()).toEqual(["raw.spool", "raw.spool.metadata", "secret", "t.dat"]);
  });

  test("reads their recordings and spools, and makes nothing in them", () => {
    const { theirs, ours } = places();
    copyFileSync(`${ours}/t.dat`, `${theirs}/t.dat`);
    makeRawSpool(`${theirs}/raw.spool`);
    run(theirs, `chown -R ${mallory.uid}:${mallory.gid} .; chmod 600 t.dat raw.spool/*`);
    theirLink(`${theirs}/latest`, "t.dat");
    const before = run(theirs, "ls -lRi").stdout;
    for (const name of ["t.dat", "latest", "raw.spool"]) {
      expect(run(theirs, `$1 report ${name}`)).toMatchObject({ code: 0, stdout: expect.stringContaining("cpus=2") });
      expect(run(theirs, `$1 export ${name} -o ${ours}/x`)).toMatchObject({ code: 0 });
    }
    expect(run(theirs, `$1 recover raw.spool --metadata raw.spool.metadata -o ${ours}/y`)).toMatchObject({ code: 0 });
    expect(run(theirs, "ls -lRi").stdout).toBe(before);
  });
});

describe.skipIf(!isRoot)("another user", () => {
  test("reads what root gave to a group, and no more", () => {
    const { ours } = places();
    expect(run(ours, `$1 export t.dat -o mine`).code).toBe(0);
    expect(run(ours, `$1 recover raw.spool --metadata raw.spool.metadata -o shared --group ${mallory.gid}`).code).toBe(
      0,
    );
    expect(run(ours, as(mallory, "$1 report shared"))).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("cpus=2"),
    });
    expect(run(ours, as(mallory, "$1 report t.dat")).code).not.toBe(0);
    expect(run(ours, as(mallory, "$1 export shared -o mine"))).toMatchObject({ code: 77 });
    expect(run(ours, as(mallory, "$1 export shared -o new"))).toMatchObject({ code: 77 });
    expect(run(ours, as(mallory, "cat mine")).stdout).toBe("");
  });

  const opens = async (): Promise<void> => {
    const { ours } = places();
    chmodSync(`${ours}/t.dat`, 0o644);
    const before = readdirSync(ours);
    const { uid, gid } = mallory;
    const process = Bun.spawn(
      ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", executable, "open", "t.dat"],
      {
        cwd: ours,
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const address = await readUntil(process.stdout, /t\.pftrace/);
    process.kill("SIGTERM");
    const words = await new Response(process.stderr).text();
    expect(address).toContain("t.pftrace");
    expect(readdirSync(ours)).toEqual(before);
    const [, served = ""] = /serving (\S+) on/.exec(words) ?? [];
    expect(await Bun.file(served).exists()).toBe(false);
  };
  const opened = "gets the export of a recording in a place where it may not write, when it opens it";
  testUnless(noPort, opened, () => withPerfettoPort(opens));
});

describe.skipIf(!isRoot)("under sudo", () => {
  const sudo = { SUDO_UID: `${mallory.uid}`, SUDO_GID: `${mallory.gid}` };

  test("what is written in a directory of the user who called it is that user's", () => {
    const { theirs, ours } = places();
    theirLink(`${theirs}/link`, "kept");
    const raw = `${ours}/raw.spool --metadata ${ours}/raw.spool.metadata`;
    expect(run(theirs, `$1 recover ${raw} -o out`, sudo).code).toBe(0);
    expect(run(theirs, `$1 recover ${raw} -o out`, sudo).code).toBe(0);
    expect(run(theirs, `$1 export out -o link`, sudo).code).toBe(0);
    for (const name of ["out", "kept"]) {
      const { uid, gid, mode } = lstatSync(`${theirs}/${name}`);
      expect({ name, uid, gid, mode: mode & 0o7777 }).toEqual({ name, ...mallory, mode: 0o600 });
    }
    expect(run(theirs, as(mallory, "$1 report out"))).toMatchObject({ code: 0 });
    expect(run(theirs, `$1 export out -o shared --group 61002`, sudo).code).toBe(0);
    expect(lstatSync(`${theirs}/shared`)).toMatchObject({ uid: mallory.uid, gid: 61_002, mode: 0o100640 });
  });

  test("and root's in one of root's", () => {
    const { ours } = places();
    expect(run(ours, "$1 export t.dat", sudo).code).toBe(0);
    expect(lstatSync(`${ours}/t.pftrace`)).toMatchObject({ uid: 0, gid: 0, mode: 0o100600 });
    expect(run(ours, "$1 export t.dat -o x", { SUDO_UID: "-1", SUDO_GID: "x" }).code).toBe(0);
    expect(lstatSync(`${ours}/x`)).toMatchObject({ uid: 0, gid: 0 });
  });
});
