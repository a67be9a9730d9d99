import { afterAll, describe, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { attempt } from "../../src/base/attempt.ts";
import { Directory } from "../../src/base/directory.ts";
import { locate } from "../../src/base/locate.ts";
import { OutputFile } from "../../src/base/output-file.ts";
import { OutputPlace } from "../../src/base/output-place.ts";
import { makePrivateDirectory, removePrivateDirectory } from "../../src/base/private-directory.ts";
import { temporaryName } from "../../src/base/temporary-name.ts";
import { eventually } from "../support/agent-process.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const base = mkdtempSync(`${tmpdir()}/ta-output-file-`);
afterAll(() => rmSync(base, { recursive: true }));
let count = 0;

function directory(): string {
  const path = `${base}/${++count}`;
  mkdirSync(path);
  return path;
}

describe.each([
  ["without a name", true],
  ["of a secret name", false],
])("OutputFile %s", (_, unnamed) => {
  test("appears when it is whole, with all that was written and patched", () => {
    const path = directory();
    const file = new OutputFile(`${path}/out`, {}, unnamed);
    file.write(Buffer.from("head"));
    file.align(8);
    file.reserve(8);
    file.write(Buffer.from("data"));
    file.patch(0, Buffer.from("HEAD"));
    expect(file.position).toBe(12);
    expect(existsSync(`${path}/out`)).toBe(false);
    file.finish();
    expect(readFileSync(`${path}/out`, "latin1")).toBe("HEAD\0\0\0\0data");
    expect(readdirSync(path)).toEqual(["out"]);
    expect(lstatSync(`${path}/out`).mode & 0o7777).toBe(0o600);
    file.abandon();
    expect(readdirSync(path)).toEqual(["out"]);
  });

  test("holds small pieces, large ones and what is copied in their order, and patches of each", async () => {
    const path = directory();
    writeFileSync(`${path}/from`, "copied");
    const from = openSync(`${path}/from`, "r");
    const [small, large] = [Buffer.alloc(3000, "s"), Buffer.alloc(20_000, "l")];
    const file = new OutputFile(`${path}/out`, {}, unnamed);
    const wanted: Buffer[] = [];
    for (const piece of [...Array<Buffer>(7).fill(small), large, small, large, small, Buffer.alloc(0), small]) {
      file.write(piece);
      wanted.push(piece);
    }
    file.copyFrom(from, 2, 4);
    file.write(small);
    const all = Buffer.concat([...wanted, Buffer.from("pied"), small]);
    for (const at of [1, 7 * 3000 + 5, all.length - 2]) {
      file.patch(at, Buffer.from("P"));
      all.write("P", at);
    }
    expect(file.position).toBe(all.length);
    // An earlier file is replaced.
    writeFileSync(`${path}/out`, "before");
    await file.finishLater();
    closeSync(from);
    expect(readFileSync(`${path}/out`).equals(all)).toBe(true);
    expect(readdirSync(path).sort()).toEqual(["from", "out"]);
  });

  test("appears at once where the disk is not waited for, and is closed when the disk has it", async () => {
    const path = directory();
    const opened = (): string[] =>
      // Another thread closes it.
      readdirSync("/proc/self/fd").filter((fd) => attempt(() => readlinkSync(`/proc/self/fd/${fd}`))?.startsWith(path));
    const file = new OutputFile(`${path}/out`, {}, unnamed);
    file.write(Buffer.from("data"));
    file.finishSoon();
    file.abandon();
    expect(readFileSync(`${path}/out`, "latin1")).toBe("data");
    expect(readdirSync(path)).toEqual(["out"]);
    await eventually(() => opened().length === 0, "it is closed");
    expect(readdirSync(path)).toEqual(["out"]);
  });

  test("lets other work go on until the disk has it, and its name", async () => {
    const path = directory();
    const syncing = spyOn(Directory.prototype, "sync");
    const file = new OutputFile(`${path}/out`, {}, unnamed);
    file.write(Buffer.from("data"));
    await file.finishLater();
    expect(syncing).not.toHaveBeenCalled();
    syncing.mockRestore();
    file.abandon();
    expect(readFileSync(`${path}/out`, "latin1")).toBe("data");
    expect(readdirSync(path)).toEqual(["out"]);
  });

  test("leaves nothing when it is abandoned, and puts nothing where meanwhile something else is", () => {
    const path = directory();
    const abandoned = new OutputFile(`${path}/out`, {}, unnamed);
    abandoned.write(Buffer.from("x"));
    abandoned.abandon();
    expect(readdirSync(path)).toEqual([]);
    const late = new OutputFile(`${path}/out`, {}, unnamed);
    mkdirSync(`${path}/out`);
    expect(() => late.finish()).toThrow("it is a directory");
    late.abandon();
    expect(readdirSync(path)).toEqual(["out"]);
  });

  test("lands in the directory that was meant, wherever its path leads meanwhile", () => {
    const path = directory();
    mkdirSync(`${path}/meant`);
    mkdirSync(`${path}/trap`);
    const file = new OutputFile(`${path}/meant/out`, {}, unnamed);
    renameSync(`${path}/meant`, `${path}/moved`);
    symlinkSync("trap", `${path}/meant`);
    file.write(Buffer.from("x"));
    file.finish();
    expect(readdirSync(`${path}/trap`)).toEqual([]);
    expect(readdirSync(`${path}/moved`)).toEqual(["out"]);
  });

  test("is gone when its process is killed", async () => {
    const path = directory();
    const module = resolve(import.meta.dir, "../../src/base/output-file.ts");
    const script = `const { OutputFile } = await import(${JSON.stringify(module)});
      const file = new OutputFile("out", {}, ${unnamed}); file.write(Buffer.from("x")); console.log("written"); setInterval(() => {}, 1e6);`;
    const child = Bun.spawn([process.execPath, "-e", script], { cwd: path, stdout: "pipe", stderr: "inherit" });
    await child.stdout.getReader().read();
    expect(readdirSync(path).length).toBe(unnamed ? 0 : 1);
    child.kill("SIGKILL");
    await child.exited;
    await eventually(
      () => readdirSync(path).length === 0,
      "nothing is left",
      () => readdirSync(path).join(" "),
    );
  });
});

test("temporaryName() fits into a directory whatever the name, and is another each time", () => {
  const names = ["x", "é".repeat(127), "a".repeat(255), "../x\n"].map(temporaryName);
  for (const name of names) expect(name).toMatch(/^\.[\w.-]{1,254}\.tmp$/);
  expect(temporaryName("x")).not.toBe(temporaryName("x"));
});

describe("OutputPlace", () => {
  test("replaces no input, and is never inside one", () => {
    const path = directory();
    writeFileSync(`${path}/in`, "x");
    const { dev, ino } = lstatSync(`${path}/in`);
    expect(() => OutputPlace.find(`${path}/in`, { inputs: [{ dev, ino }] })).toThrow("it is the input itself");
    const within = lstatSync(path);
    expect(() => OutputPlace.find(`${path}/new`, { inputs: [within] })).toThrow("it is in the input itself");
  });

  test("says of a path that cannot be what is wrong with it", () => {
    const path = directory();
    writeFileSync(`${path}/file`, "");
    symlinkSync("loop", `${path}/loop`);
    expect(() => OutputPlace.find(`${path}/none/out`)).toThrow(/cannot write ".*\/none\/out": open\("none"\): ENOENT/);
    expect(() => OutputPlace.find(`${path}/file/out`)).toThrow("ENOTDIR");
    expect(() => OutputPlace.find(`${path}/loop`)).toThrow("ELOOP");
    expect(() => OutputPlace.find(`${path}/loop/out`)).toThrow("ELOOP");
    expect(() => OutputPlace.find(`${path}/new/`)).toThrow("ENOENT");
    expect(() => OutputPlace.find("")).toThrow("it is a directory");
    expect(() => OutputPlace.find("/")).toThrow("it is a directory");
    expect(() => OutputPlace.find("a\0b")).toThrow("NUL");
  });
});

describe("locate()", () => {
  test("goes where the kernel goes", () => {
    const path = directory();
    mkdirSync(`${path}/a/b`, { recursive: true });
    writeFileSync(`${path}/a/b/file`, "");
    symlinkSync("a/b", `${path}/rel`);
    symlinkSync(`${path}/a/`, `${path}/abs`);
    symlinkSync("../../rel/file", `${path}/a/b/up`);
    for (const [from, to] of [
      ["rel/file", "a/b/file"],
      ["abs/b/file", "a/b/file"],
      ["a/b/up", "a/b/file"],
      ["rel/../b/./file", "a/b/file"],
      ["//a//b/file", "a/b/file"],
    ] as const) {
      const { directory: place, name, status } = locate(`${path}/${from}`, "write");
      const [file, folder] = [lstatSync(`${path}/${to}`), lstatSync(`${path}/a/b`)];
      expect([from, name, status?.ino, place.status.ino]).toEqual([from, "file", file.ino, folder.ino]);
      place.close();
    }
  });
});

describe("makePrivateDirectory()", () => {
  test("trusts TMPDIR only where nobody else could change its content", () => {
    const before = process.env["TMPDIR"];
    const path = directory();
    const trial = (place: string): string => {
      process.env["TMPDIR"] = place;
      const made = makePrivateDirectory();
      removePrivateDirectory(made);
      return made;
    };
    try {
      expect(trial(path)).toStartWith(`${path}/trace-agent-`);
      chmodSync(path, 0o777);
      expect(trial(path)).toStartWith("/tmp/trace-agent-");
      mkdirSync(`${path}/within`);
      expect(trial(`${path}/within`)).toStartWith("/tmp/trace-agent-");
      chmodSync(path, 0o1777);
      expect(trial(path)).toStartWith(`${path}/trace-agent-`);
      expect(trial("relative")).toStartWith("/tmp/trace-agent-");
      expect(trial(`${path}/none`)).toStartWith("/tmp/trace-agent-");
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
  });
});
