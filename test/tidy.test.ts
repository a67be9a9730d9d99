/** The rules of this project's style that a program can check. Each test lists what breaks its rule. */
import { describe, expect, test } from "bun:test";
import { builtinModules } from "node:module";
import packageJson from "../package.json";
import { filesUnder, importsOf, projectFolder, specifiersOf, textOf } from "./support/imports.ts";

const shipped = [...filesUnder("src", ".ts"), ...filesUnder("ffi", ".ts"), "build.ts"];
const tests = filesUnder("test", ".ts");
const native = ["ffi", "test"].flatMap((folder) => [".c", ".h", ".ld"].flatMap((ending) => filesUnder(folder, ending)));
const all = [...shipped, ...tests, ...native];

const linesMax = 300;

/** "file:line: text" of each line of `files` that matches. */
function linesWith(files: readonly string[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    textOf(file)
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );
}

describe("every file", () => {
  test(`has at most ${linesMax} lines`, () => {
    const long = all.map((file) => `${file}: ${textOf(file).trimEnd().split("\n").length}`);
    expect(long.filter((entry) => Number(entry.split(": ")[1]) > linesMax)).toEqual([]);
  });

  test("says at its top what it is for (a test file by its tests)", () => {
    const silent = all.filter((file) => !file.endsWith(".test.ts") && !/^(#!.*\n)?\/\*/.test(textOf(file)));
    expect(silent).toEqual([]);
  });

  test("holds nothing that is still to be done, and nothing of the machine it was written on", () => {
    // Brackets, so that this line is none of them.
    expect(linesWith(all, /\b(T[O]DO|F[I]XME|X[X]X)\b/)).toEqual([]);
    expect(all.filter((file) => textOf(file).includes(`${projectFolder}/`))).toEqual([]);
  });

  test("names what it exports: no default export, no barrel", () => {
    expect(linesWith([...shipped, ...tests], /^export (default|\*)/)).toEqual([]);
  });

  test("imports our files with their ending, and node's modules by node:", () => {
    const bad = [...shipped, ...tests].flatMap((file) =>
      specifiersOf(file)
        .filter((specifier) => (specifier.startsWith(".") ? !/\.(ts|json)$/.test(specifier) : builtinModules.includes(specifier)))
        .map((specifier) => `${file}: ${specifier}`),
    );
    // bun:ffi and bun:test stand among the built-in modules with their prefix.
    expect(bad.filter((entry) => !entry.includes(": bun:"))).toEqual([]);
  });
});

describe("dependencies", () => {
  /** What may be imported by each part: cli -> image -> guest | host -> protocol, kernel -> ffi; the files of src itself by all of src. */
  const allowed: Record<string, string[]> = {
    "src/main.ts": ["src/cli", "src"],
    "src/cli": ["src/cli", "src/image", "src/guest", "src/host", "src/protocol", "src/kernel", "src", "ffi"],
    "src/image": ["src/image", "src/guest", "src/host", "src/protocol", "src/kernel", "src", "ffi"],
    "src/guest": ["src/guest", "src/protocol", "src/kernel", "src", "ffi"],
    "src/host": ["src/host", "src/protocol", "src/kernel", "src", "ffi"],
    "src/protocol": ["src/protocol", "src/kernel", "src", "ffi"],
    "src/kernel": ["src/kernel", "src", "ffi"],
    src: ["src"],
    ffi: ["ffi"],
    "build.ts": ["ffi"],
  };
  const partOf = (file: string): string => {
    if (file in allowed) return file;
    const [top = "", folder = ""] = file.split("/");
    return top === "src" && `src/${folder}` in allowed ? `src/${folder}` : top;
  };

  test("between folders point one way", () => {
    const wrong = shipped.flatMap((file) =>
      importsOf(file)
        .filter((path) => !(allowed[partOf(file)] ?? []).includes(partOf(path)))
        .map((path) => `${file} -> ${path}`),
    );
    expect(wrong).toEqual([]);
  });

  test("on libc go through one dlopen", () => {
    expect([...new Set(linesWith(shipped, /\bdlopen\(/).map((line) => line.split(":")[0]))]).toEqual(["ffi/libc.ts"]);
    const users = shipped.filter((file) => specifiersOf(file).includes("bun:ffi"));
    expect(users.filter((file) => !file.startsWith("ffi/"))).toEqual([]);
  });

  test("from npm are pinned, and each is used", () => {
    const { dependencies, devDependencies } = packageJson;
    const versions = Object.entries({ ...dependencies, ...devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    const used = new Set(shipped.flatMap(specifiersOf));
    expect(Object.keys(dependencies).filter((name) => ![...used].some((path) => path.split("/")[0] === name))).toEqual([]);
    const packages = [...used].filter((name) => /^[a-z@]/.test(name) && !/^(node|bun):|\.json$/.test(name));
    expect(packages.filter((name) => !(name.replace(/\/.*/, "") in dependencies))).toEqual([]);
  });
});

describe("the program", () => {
  test("prints by log or on purpose to stdout, never by console", () => {
    expect(linesWith(filesUnder("src", ".ts"), /\bconsole\.\w+\(/)).toEqual([]);
  });

  test("names every size in bytes and every time in milliseconds by its unit", () => {
    const limits = textOf("src/limits.ts").match(/^ {2}\w+: .*,$/gm) ?? [];
    expect(limits.length).toBeGreaterThan(10);
    expect(limits.filter((line) => /[KM]iB/.test(line) && !/^ {2}\w+(Bytes|Chars|Width): /.test(line))).toEqual([]);
    expect(linesWith(shipped, /\b(\w+T|t)imeout\b\s*[:=]\s*\d|\b(delay|interval|duration)\b\s*[:=]\s*\d/)).toEqual([]);
  });

  test("ends, sleeps and runs other programs only where that is its business", () => {
    const sleeps = linesWith(filesUnder("src/guest", ".ts"), /\b(Bun\.sleep|sleepSync|usleep)\(/);
    expect(sleeps).toEqual([]);
    expect(linesWith(filesUnder("src", ".ts"), /\b(exec|execSync)\(/).filter((line) => !line.includes(".exec("))).toEqual([]);
  });
});

describe("tests", () => {
  test("are all run: none is marked only or to be written", () => {
    expect(linesWith(tests, /\b(test|describe|it)\.(only|todo)\(/)).toEqual([]);
  });

  test("bear sentences as names", () => {
    const short = linesWith(tests, /^\s*(test|it)\("[^" ]*",/);
    expect(short).toEqual([]);
  });

  test("lie in files that end in .test.ts", () => {
    const strays = tests.filter((file) => !file.endsWith(".test.ts") && /^(test|it)\(/m.test(textOf(file)));
    expect(strays).toEqual([]);
  });
});
