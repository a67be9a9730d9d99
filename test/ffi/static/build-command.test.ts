/** `bun build.ts` as a person runs it: what it says when it cannot build, and that it does nothing twice. */
import { describe, expect, test } from "bun:test";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeContents } from "../../../ffi/static/contents.ts";
import { findRuntime } from "../../../ffi/static/runtime-libraries.ts";
import { sbom } from "../../../ffi/static/sbom.ts";
import { hostMachine, targets } from "../../../ffi/static/targets.ts";
import { execute, type Outcome } from "./support/sample.ts";

const project = join(import.meta.dir, "../../..");

const linking = `
  import { linkEntry } from "./ffi/static/link.ts";
  import { hostMachine, targets } from "./ffi/static/targets.ts";
  console.log(Buffer.from(linkEntry(targets[hostMachine()])).toString("base64"));
`;

function build(flags: string[], path = process.env["PATH"] ?? ""): Outcome {
  return execute([process.execPath, "build.ts", ...flags], {
    cwd: project,
    env: { PATH: path, HOME: process.env["HOME"] ?? "" },
  });
}

describe("bun build.ts", () => {
  test("leaves an executable alone that is up to date", () => {
    build([]);
    const executable = join(project, "dist/trace-agent");
    const before = statSync(executable).mtimeMs;
    expect(build([]).stderr).toMatch(/^dist\/trace-agent {2}[\d.]+ MiB, \w+, static, unchanged\n$/);
    expect(statSync(executable).mtimeMs).toBe(before);
  });

  test("names the compiler that is missing, and how to install it", () => {
    const { exitCode, stderr } = build([], "/nonexistent");
    expect(stderr).toMatch(
      /^build: cannot build for \w+: no C compiler \(searched for gcc, cc, .*apt-get install .*gcc\n$/,
    );
    expect(exitCode).toBe(1);
  });

  test("names the cross compiler that is missing", () => {
    const tools = mkdtempSync(join(tmpdir(), "trace-agent-path-"));
    try {
      for (const tool of ["gcc", "dpkg-query", "as", "ld", "git"])
        symlinkSync(Bun.which(tool) ?? "", join(tools, tool));
      const { exitCode, stderr } = build(["--all", "--quiet"], tools);
      const other = hostMachine() === "x64" ? "gcc-aarch64-linux-gnu" : "gcc-x86-64-linux-gnu";
      expect(stderr).toContain(`apt-get install --no-install-recommends ${other}\n`);
      expect(exitCode).toBe(1);
    } finally {
      rmSync(tools, { recursive: true });
    }
  });

  test("compiles the entry code once", () => {
    const folder = mkdtempSync(join(tmpdir(), "trace-agent-compiler-"));
    try {
      const [compiler, calls] = [join(folder, "gcc"), join(folder, "calls")];
      writeFileSync(compiler, `#!/bin/sh\necho "$*" >>${calls}\nexec gcc "$@"\n`, { mode: 0o755 });
      const linked = (): Outcome =>
        execute([process.execPath, "-e", linking], {
          cwd: project,
          env: { PATH: process.env["PATH"] ?? "", CC: compiler, TRACE_AGENT_CACHE: folder },
        });
      const compilations = (): number => readFileSync(calls, "utf8").match(/ -c /g)?.length ?? 0;
      const first = linked();
      expect({ exitCode: first.exitCode, stderr: first.stderr }).toEqual({ exitCode: 0, stderr: "" });
      expect(linked().stdout).toBe(first.stdout);
      expect(compilations()).toBe(1);
      // One that is damaged is made again.
      const [kept = ""] = readdirSync(join(folder, "entry"));
      truncateSync(join(folder, "entry", kept), 100);
      expect(linked().stdout).toBe(first.stdout);
      expect(compilations()).toBe(2);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("refuses an option that it does not know", () => {
    const { exitCode, stderr } = build(["--al"]);
    expect(stderr).toBe('build: unknown option "--al"; known: --all --release --install --quiet\n');
    expect(exitCode).toBe(1);
  });
});

describe("trace-agent licenses", () => {
  const executable = join(project, "dist/trace-agent");

  test("lists what the executable holds, from inside it", () => {
    build([]);
    const { stdout } = execute([executable, "licenses"]);
    for (const line of [
      /^bun \d.* {2}MIT/m,
      /^glibc \d.* {2}LGPL/m,
      /^libgcc \d.* {2}GPL.*WITH GCC-exception/m,
      /^consola \d.* {2}MIT$/m,
    ]) {
      expect(stdout).toMatch(line);
    }
    expect(stdout).toContain("trace-agent licenses --text");
  });

  test("prints the texts that LGPL and GPL ask for with --text", () => {
    const { stdout } = execute([executable, "licenses", "--text"]);
    for (const text of [
      "GNU LESSER GENERAL PUBLIC LICENSE",
      "GNU GENERAL PUBLIC LICENSE",
      "GCC RUNTIME LIBRARY EXCEPTION",
    ]) {
      expect(stdout).toContain(text);
    }
  });

  test("says in the source tree that only the executable has them", () => {
    const { exitCode, stderr } = execute([process.execPath, "src/main.ts", "licenses"], { cwd: project });
    expect(stderr).toContain("this is not the built executable; npm run build");
    expect(exitCode).toBe(69);
  });
});

describe("the bill of materials", () => {
  const machine = hostMachine() ?? "x64";
  const contents = describeContents(machine, findRuntime(targets[machine]));
  const document = JSON.parse(sbom(contents, "1.2.3", "00".repeat(32))) as {
    serialNumber: string;
    components: {
      name: string;
      version: string;
      licenses: { expression: string }[];
      components?: { name: string }[];
    }[];
  };

  test("names Bun, glibc, libgcc and the npm packages with versions and licences", () => {
    const { dependencies } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as {
      dependencies: object;
    };
    const names = document.components.map((component) => component.name);
    expect(names).toEqual(["bun", "glibc", "libgcc", ...Object.keys(dependencies)]);
    for (const { version, licenses } of document.components) {
      expect(version).toMatch(/^\d/);
      expect(licenses[0]?.expression).toMatch(/^(MIT|LGPL|GPL)/);
    }
    const files = document.components.flatMap((component) => component.components ?? []);
    expect(files.map((file) => file.name)).toContain("libc.so.6");
  });

  test("is the same text for the same executable, another for another", () => {
    expect(document.serialNumber).toMatch(/^urn:uuid:[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-8[\da-f]{3}-[\da-f]{12}$/);
    expect(sbom(contents, "1", "aa")).toBe(sbom(contents, "1", "aa"));
    expect(sbom(contents, "1", "aa")).not.toBe(sbom(contents, "1", "bb"));
  });

  test("comes with the texts of the licences that ask for it", () => {
    const titles = contents.texts.map(({ title }) => title).join("\n");
    for (const name of ["LGPL-2.1", "GPL-3", "valibot", "consola"]) expect(titles).toContain(name);
  });
});
