/** What the commands write, and what they leave alone: the built executable on files, links, FIFOs and devices. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { executable } from "../support/agent-process.ts";
import { runBatch } from "../support/command-batch.ts";
import { interruptWriting } from "../support/interrupt-writing.ts";
import { makeRawSpool } from "../support/raw-spool.ts";
import { whyNoSmallDisk, withSmallDisk } from "../support/small-disk.ts";
import { testUnless } from "../support/test-unless.ts";
import { reasonWithoutTracefs, unmountTracefs } from "../support/tracefs.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const base = mkdtempSync(`${tmpdir()}/ta-outputs-`);
afterAll(() => rmSync(base, { recursive: true }));
let count = 0;
const places = new Map<number, string>();

type End = { code: number; stdout: string; stderr: string };
type Refusal = { command: string; code: number; stderr: string };

/** What commands say that write nothing. Those of this machine need the executable, which is their agent too. */
async function refusals(cwd: string, commands: readonly string[]): Promise<Refusal[]> {
  const [local, others] = [true, false].map((isLocal) => commands.filter((one) => one.includes("--local") === isLocal));
  const { said, stdout } = await runBatch(
    (others ?? []).map((command) => command.split(" ")),
    { cwd },
  );
  expect(stdout.toString()).toBe("");
  const ends = (local ?? []).map((command) => Object.assign(run(cwd, `$1 ${command}`), { command }));
  expect(ends.map((end) => end.stdout).join("")).toBe("");
  return [
    ...said.map(({ code, stderr }, index) => ({ command: others?.[index] ?? "", code, stderr: stderr.toString() })),
    ...ends,
  ];
}

function run(cwd: string, script: string): End {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["bash", "-c", script, "bash", executable], { cwd });
  return { code: exitCode, stdout: stdout.toString("latin1"), stderr: stderr.toString() };
}

/** A directory with raw.spool, its metadata, and the trace.dat of it: each a copy of the first of its size. */
function place(subBuffers = 4): string {
  const path = `${base}/${++count}`;
  const first = places.get(subBuffers);
  if (first !== undefined) {
    cpSync(first, path, { recursive: true });
    return path;
  }
  mkdirSync(path);
  makeRawSpool(`${path}/raw.spool`, subBuffers);
  expect(run(path, `$1 recover raw.spool --metadata raw.spool.metadata -o t.dat`)).toMatchObject({ code: 0 });
  cpSync(path, `${path}-first`, { recursive: true });
  places.set(subBuffers, `${path}-first`);
  return path;
}

const mode = (path: string): string => (lstatSync(path).mode & 0o7777).toString(8);
/** Names, kinds and contents: what a refused command must leave as it was. */
const state = (path: string): string[] =>
  readdirSync(path)
    .sort()
    .flatMap((name) => {
      const status = lstatSync(`${path}/${name}`);
      const content = status.isFile() ? Bun.hash(readFileSync(`${path}/${name}`)) : "";
      const within = status.isDirectory() ? state(`${path}/${name}`) : [];
      return within.concat(`${path}/${name} ${status.mode} ${status.ino} ${status.rdev} ${content}`);
    });

// `record --local` tells of its output only where it could record.
reasonWithoutTracefs();
afterAll(unmountTracefs);

describe("an output", () => {
  test("is a file of mode 0600 whatever the umask, and 0640 of a group that is named", () => {
    const path = place();
    expect(mode(`${path}/t.dat`)).toBe("600");
    expect(run(path, "umask 0; $1 export t.dat")).toMatchObject({ code: 0 });
    expect(mode(`${path}/t.pftrace`)).toBe("600");
    expect(run(path, "umask 077; $1 export t.dat -o g.pftrace --group nogroup")).toMatchObject({ code: 0 });
    expect([mode(`${path}/g.pftrace`), lstatSync(`${path}/g.pftrace`).gid]).toEqual(["640", 65534]);
    expect(run(path, "$1 report t.dat -o t.txt")).toMatchObject({ code: 0, stdout: "" });
    expect(readFileSync(`${path}/t.txt`, "latin1")).toBe(run(path, "$1 report t.dat").stdout);
    expect(mode(`${path}/t.txt`)).toBe("600");
    expect(run(path, "$1 export t.dat --group nosuchgroup")).toMatchObject({ code: 64 });
    for (const command of [
      "export t.dat -o -",
      "report t.dat",
      "report t.dat -o /dev/stdout",
      "export t.dat -o /dev/null",
    ])
      expect(run(path, `$1 ${command} --group nogroup`)).toMatchObject({ code: 64, stdout: "" });
  });

  test("replaces a file of ours, and what a link of ours leads to, never the link", () => {
    const path = place();
    mkdirSync(`${path}/big`);
    writeFileSync(`${path}/big/t.pftrace`, "old");
    symlinkSync("big/t.pftrace", `${path}/link`);
    symlinkSync("big", `${path}/folder`);
    symlinkSync("big/new", `${path}/dangling`);
    expect(run(path, "$1 export t.dat -o link")).toMatchObject({ code: 0 });
    expect(run(path, "$1 export t.dat -o folder/other")).toMatchObject({ code: 0 });
    expect(run(path, "$1 export t.dat -o dangling")).toMatchObject({ code: 0 });
    for (const link of ["link", "folder", "dangling"]) expect(lstatSync(`${path}/${link}`).isSymbolicLink()).toBe(true);
    expect(readdirSync(`${path}/big`).sort()).toEqual(["new", "other", "t.pftrace"]);
    expect(readFileSync(`${path}/big/t.pftrace`).equals(readFileSync(`${path}/big/new`))).toBe(true);
  });

  test("goes through a FIFO, through a descriptor, and into devices that keep nothing, as they are", () => {
    const path = place();
    expect(run(path, "$1 export t.dat -o whole")).toMatchObject({ code: 0 });
    const whole = readFileSync(`${path}/whole`);
    run(path, "mkfifo fifo; mknod null c 1 3; mknod full c 1 7");
    expect(run(path, "cat fifo >got & $1 export t.dat -o fifo; wait")).toMatchObject({ code: 0, stdout: "" });
    expect(readFileSync(`${path}/got`).equals(whole)).toBe(true);
    expect(run(path, "$1 export t.dat -o null")).toMatchObject({ code: 0 });
    expect(run(path, "$1 export t.dat -o full")).toMatchObject({
      code: 74,
      stderr: expect.stringMatching(/cannot write to "full": ENOSPC/),
    });
    for (const name of ["-", "/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"]) {
      expect(run(path, `$1 export t.dat -o ${name} >got`)).toMatchObject({ code: 0, stdout: "" });
      expect(readFileSync(`${path}/got`).equals(whole)).toBe(true);
    }
    expect(run(path, "$1 export t.dat -o >(cat >through); while [ ! -s through ]; do sleep 0.01; done")).toMatchObject({
      code: 0,
    });
    expect(run(path, "$1 export t.dat -o - >/dev/full")).toMatchObject({ code: 74 });
    expect(run(path, "$1 export t.dat -o - | head -c 10 | wc -c")).toMatchObject({ code: 0, stdout: "10\n" });
    expect(run(path, "$1 report t.dat -o - | head -1").stdout).toBe("cpus=2\n");
    expect(lstatSync(`${path}/fifo`).isFIFO()).toBe(true);
    expect([lstatSync(`${path}/null`).rdev, lstatSync(`${path}/full`).rdev]).toEqual([0x103, 0x107]);
    expect(existsSync(`${path}/-`)).toBe(false);
    expect(run(path, "$1 export t.dat -o ./-")).toMatchObject({ code: 0 });
    expect(existsSync(`${path}/-`)).toBe(true);
  });

  test("is refused where a device, a FIFO, a socket or a directory stands, and everything stays as it was", async () => {
    const path = place();
    run(path, "mkfifo fifo; mknod null c 1 3; mknod block b 7 99; mknod tty c 5 0; mkdir dir");
    symlinkSync("null", `${path}/to-null`);
    symlinkSync("dir", `${path}/to-dir`);
    symlinkSync("loop", `${path}/loop`);
    const before = state(path);
    const recover = "recover raw.spool --metadata raw.spool.metadata -o";
    const commands = [
      ...["null", "fifo", "block", "tty", "dir", "to-null", "to-dir", "loop", "dir/", "."].map(
        (name) => `${recover} ${name}`,
      ),
      ...["block", "tty", "dir", "to-dir", "dir/.", "none/x"].map((name) => `export t.dat -o ${name}`),
      ...["dir", "none/x"].map((name) => `report t.dat -o ${name}`),
      ...["null", "fifo", "to-null", "dir"].map((name) => `record --local -e sched -d 1 -o ${name}`),
      "top --local -d 1 -o dir",
    ];
    for (const { command, code, stderr } of await refusals(path, commands)) {
      expect({ command, code }).toEqual({ command, code: 74 });
      expect(stderr).toMatch(/^trace-agent: error: cannot (write|record to) "[^\n]+\n$/);
      if (command.startsWith("record") && command.endsWith(" dir"))
        expect(stderr).toContain("--join, --rotate and --last");
    }
    const needFiles = [`${recover} -`, `${recover} /dev/stdout`, "record --local -e sched -o -", "top --local -o -"];
    for (const told of await refusals(path, needFiles))
      expect(told).toMatchObject({ code: 64, stderr: expect.stringContaining("it needs a file") });
    // Split at blanks, the last word is "".
    const needNames = ["export --parquet - t.dat", "export t.dat --parquet ", "export t.dat -o "];
    for (const told of await refusals(path, needNames)) expect(told.code).toBe(64);
    expect(state(path)).toEqual(before);
  });

  test("is never the input, by whatever name, nor in the spool that is read", async () => {
    const path = place();
    linkSync(`${path}/t.dat`, `${path}/hard`);
    symlinkSync("t.dat", `${path}/soft`);
    symlinkSync(".", `${path}/here`);
    mkdirSync(`${path}/raw.spool/folder`);
    mkdirSync(`${path}/raw.spool/new`);
    const before = state(path);
    const recover = "recover raw.spool --metadata raw.spool.metadata -o";
    const commands = [
      ...["t.dat", "hard", "soft", "here/t.dat", "raw.spool/../t.dat"].map((name) => `export t.dat -o ${name}`),
      "export soft -o t.dat",
      "report t.dat -o hard",
      "export --parquet raw.spool raw.spool",
      "export --parquet raw.spool/new raw.spool",
      "export --parquet raw.spool/new/er raw.spool",
      "report raw.spool -o raw.spool/folder/new",
      "export raw.spool -o raw.spool/cpu0",
      "report raw.spool -o raw.spool/newer",
      `${recover} raw.spool/cpu0`,
      `${recover} raw.spool/new.dat`,
      `${recover} raw.spool.metadata`,
      "record --local -e sched -d 1 --metadata raw.spool.metadata -o raw.spool.metadata",
    ];
    for (const { command, code, stderr } of await refusals(path, commands)) {
      expect({ command, code }).toEqual({ command, code: 64 });
      expect(stderr).toContain("the input itself");
    }
    expect(state(path)).toEqual(before);
    for (const command of [
      ...["- 1<>t.dat", "/dev/stdout >>hard", "/dev/fd/5 5<>t.dat"].map((opened) => `$1 export soft -o ${opened}`),
      ...["t.dat >>t.dat", "--json t.dat 1<>t.dat", "raw.spool >>raw.spool/cpu0"].map((name) => `$1 report ${name}`),
    ]) {
      const { code, stderr } = run(path, command);
      expect({ command, code }).toEqual({ command, code: 64 });
      expect(stderr).toContain("the input itself");
      expect(state(path)).toEqual(before);
    }
  });

  test("that was ended leaves nothing, and what had its name or a like one stays", async () => {
    const path = place(1500);
    writeFileSync(`${path}/out.tmp`, "of somebody");
    const commands = [
      ["export", "t.dat", "-o", "out"],
      ["recover", "raw.spool", "--metadata", "raw.spool.metadata", "--format", "v7", "-o", "out"],
      ["report", "t.dat", "-o", "out"],
    ];
    for (const [index, signal] of (["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const).entries()) {
      let before: string[] = [];
      await interruptWriting(path, [executable, ...(commands[index % 3] ?? [])], signal, () => {
        rmSync(`${path}/out`, { force: true });
        writeFileSync(`${path}/out`, "before");
        before = state(path);
      });
      expect({ signal, state: state(path) }).toEqual({ signal, state: before });
    }
  });

  testUnless(whyNoSmallDisk(), "of a full disk leaves nothing, and what had its name stays", () =>
    withSmallDisk("64k", (small) => {
      const path = place(400);
      writeFileSync(`${small}/out`, "before");
      const full = run(path, `$1 recover raw.spool --metadata raw.spool.metadata -o ${small}/out`);
      expect(full.code).toBe(74);
      expect(full.stderr).toContain("ENOSPC");
      expect(full.stderr).toContain("what was received is kept in raw.spool");
      expect(readdirSync(small)).toEqual(["out"]);
      expect(readFileSync(`${small}/out`, "latin1")).toBe("before");
      expect(state(`${path}/raw.spool`).length).toBe(2);
    }),
  );
});

describe("recover", () => {
  test("keeps the spool, of which a better file may be made, unless it is to be removed", () => {
    const path = place();
    const before = state(`${path}/raw.spool`);
    writeFileSync(
      `${path}/wrong`,
      JSON.stringify({
        version: 1,
        uname: "x",
        cpus: 1,
        pageSize: 4096,
        subBufferSize: 4096,
        files: { "events/header_event": "x" },
        missing: {},
      }),
    );
    const wrong = run(path, "$1 recover raw.spool --metadata wrong -o w.dat");
    expect(wrong).toMatchObject({ code: 0, stderr: expect.stringContaining("raw.spool stays as it is") });
    expect(state(`${path}/raw.spool`)).toEqual(before);
    writeFileSync(`${path}/raw.spool/notes`, "mine");
    const removed = run(path, "$1 recover raw.spool/ --metadata raw.spool.metadata -o t2.dat --remove");
    expect(removed).toMatchObject({ code: 0, stderr: expect.stringContaining("raw.spool stays: it also holds notes") });
    expect(readdirSync(`${path}/raw.spool`)).toEqual(["notes"]);
    expect(
      readFileSync(`${path}/t2.dat`)
        .subarray(-8192)
        .equals(readFileSync(`${path}/t.dat`).subarray(-8192)),
    ).toBe(true);
  });

  test("says in its help, as src/host/setup/README.md does, how raw streams become a trace.dat", () => {
    const help = run(base, "$1 recover --help").stdout;
    expect(help).toContain("cpu0, cpu1");
    expect(help).toContain("--remove");
    expect(readFileSync(`${import.meta.dir}/../../src/host/setup/README.md`, "utf8")).toContain(
      "trace-agent recover raw.spool --metadata metadata.gz -o trace.dat",
    );
  });
});
