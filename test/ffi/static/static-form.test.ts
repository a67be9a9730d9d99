/** The static executable on this machine: what the file says of itself, and what a process of it holds. */
import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readElf, segmentTypes } from "../../../ffi/static/elf.ts";
import { findIngredients, makeExecutable } from "../../../ffi/static/executable.ts";
import { targets } from "../../../ffi/static/targets.ts";
import { messageOf } from "../../../src/base/errors.ts";
import type { Report } from "./sample/main.ts";
import { whyNoTools } from "../../support/packages.ts";
import { sampleOf, execute, agentVariables, reportOf, type Sample, sampleProgram } from "./support/sample.ts";

const machine = process.arch === "arm64" ? "arm64" : "x64";
const path = process.env["PATH"] ?? "";
const noFile = await whyNoTools("file");
if (noFile !== undefined) console.log(`skipped: what \`file\` says: ${noFile}`);
let sample: Sample;
let report: Report;
let bytes: Buffer;

beforeAll(async () => {
  sample = await sampleOf();
  bytes = readFileSync(sample.static);
  report = reportOf(execute([sample.static, "--child"], { env: { PATH: path, KEPT: "yes" } }));
}, 300_000);

describe("the file", () => {
  test("is static for the kernel, and its program headers name no interpreter", () => {
    const { headers } = readElf(bytes, "static", "executable", machine);
    const types = headers.map((header) => header.type);
    expect(types).not.toContain(segmentTypes.interpreter);
    expect(types).not.toContain(segmentTypes.dynamic);
  });

  test("no segment is writable and executable", () => {
    const { headers } = readElf(bytes, "static", "executable", machine);
    expect(headers.filter((header) => (header.flags & 3) === 3)).toEqual([]);
  });

  test.skipIf(noFile !== undefined)("`file` says statically linked", () => {
    expect(execute(["file", sample.static], { env: { PATH: path } }).stdout).toContain("statically linked");
  });

  test("`ldd` says not a dynamic executable", () => {
    expect(execute(["ldd", sample.static], { env: { PATH: path } }).stderr).toContain("not a dynamic executable");
  });

  test("is the same bytes when it is built again under another name", async () => {
    const again = join(sample.folder, "again");
    await makeExecutable(sampleProgram, findIngredients(targets[machine]), again);
    // Not by toEqual(), which would go through 100 MB byte by byte.
    expect(readFileSync(again).equals(bytes)).toBeTrue();
  });

  test("is not there when the build of it fails", async () => {
    const ingredients = findIngredients(targets[machine]);
    const broken = {
      ...ingredients,
      runtime: { ...ingredients.runtime, libraries: [...ingredients.runtime.libraries] },
    };
    broken.runtime.libraries[0] = { name: "libc.so.6", bytes: new Uint8Array(100).fill(1), sha256: "" };
    const outfile = join(sample.folder, "broken");
    const failure = await makeExecutable(sampleProgram, broken, outfile).catch(messageOf);
    expect(failure).toBe('cannot use "libc.so.6": not an ELF file');
    expect(existsSync(outfile)).toBeFalse();
    expect(readdirSync(sample.folder).filter((name) => name.startsWith(".build-"))).toEqual([]);
  });

  test("does not name the folder that it was built in", () => {
    expect(bytes.includes(join(import.meta.dir, "../../.."))).toBeFalse();
  });
});

describe("a process", () => {
  test("runs main, a Worker that ends, and libc calls", () => {
    expect(report.failedClose).toBe(-1);
    expect(report.worker).toEqual({ url: "file:///$bunfs/root/worker.js", returned: -1, errno: 9 });
    expect(report.execPath).toBe(sample.static);
  });

  test("gets the caller's environment and arguments, without what started it", () => {
    const { KEPT, PATH, ...others } = report.environment;
    expect({ KEPT, PATH }).toEqual({ KEPT: "yes", PATH: path });
    expect(others).toEqual(agentVariables());
    expect(report.argv).toEqual(["bun", "/$bunfs/root/trace-agent", "--child"]);
  });

  test("holds no memfd, no descriptor of its file, and passes none on", () => {
    for (const text of [report.descriptors.join("\n"), report.child]) {
      expect(text).not.toContain("memfd");
      expect(text).not.toContain(sample.static);
    }
    expect(report.child).toContain("KEPT=yes");
    expect(report.child).not.toContain("LD_PRELOAD");
  });

  test("maps libraries and body from its file, and nothing from a memfd", () => {
    expect(report.maps).not.toContain("memfd");
    expect(report.maps).not.toContain("(deleted)");
    expect(report.maps).not.toContain("libc.so.6");
    const bodies = report.maps.split("\n").filter((line) => line.endsWith(sample.static) && /^\S+ r-xp/.test(line));
    expect(bodies.length).toBeGreaterThan(5);
  });

  test("needs at most 3 MiB more memory than Bun's own output", () => {
    const memory = (file: string): number => {
      const { status } = reportOf(execute([file]));
      const kilobytes = (name: string): number => Number(new RegExp(`${name}:\\s*(\\d+) kB`).exec(status)?.[1]);
      return kilobytes("RssAnon") + kilobytes("RssShmem");
    };
    const least = (file: string): number => Math.min(...[1, 2, 3].map(() => memory(file)));
    expect(least(sample.static) - least(sample.dynamic)).toBeLessThan(3 * 1024);
  });
});
