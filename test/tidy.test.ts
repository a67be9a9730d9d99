/** The rules of this project's style that a program can check. Each test lists what breaks its rule. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join } from "node:path";
import packageJson from "../package.json";
import { filesUnder, importsOf, projectFolder, specifiersOf, textOf } from "./support/imports.ts";
import { unusedExports, unusedMembers } from "./support/unused.ts";

/** Against hanging only: a loaded machine takes longer than the 5 s that a test run by hand has. */
setDefaultTimeout(300_000);

const shipped = [
  ...filesUnder("src", ".ts"),
  ...filesUnder("ffi", ".ts"),
  ...filesUnder("packaging", ".ts"),
  "build.ts",
];
const tests = filesUnder("test", ".ts");
const native = ["ffi", "test"].flatMap((folder) => [".c", ".h", ".ld"].flatMap((ending) => filesUnder(folder, ending)));
const all = [...shipped, ...tests, ...native];
const documents = [
  "README.md",
  "CHANGELOG.md",
  ...["src", "ffi", "test", ".github"].flatMap((folder) => filesUnder(folder, ".md")),
];

const linesMax = 300;

/** Exports that only tests use, and why they are there all the same. */
const usedByTestsAlone: Record<string, string> = {
  // Parts of the program that are tested for themselves: their files use them.
  "src/base/suggest.ts: editDistance": "the distance behind the suggestions",
  "src/guest/control/sections-body.ts: SectionsBody": "the body, apart from its order",
  "src/host/self-filter.ts: filterAgainst": "the text of a filter, apart from tracefs",
  "src/host/machines/vcpu-threads.ts: processesOf": "the process of a guest, apart from its threads",
  "src/host/machines/vcpu-threads.ts: namedThreads": "names of threads, apart from a process",
  "src/host/machines/vcpu-threads.ts: kvmThreads": "debugfs, apart from KVM",
  "src/timeline/sync/refine.ts: refine": "what events tell, apart from recordings",
  "src/timeline/sync/synchronise.ts: synchronise": "one guest, apart from others and from files",
  "src/host/setup/persist.ts: entryText": "the text of an entry, with names that need quotes",
  "src/install/systemd.ts: deviceUnit": "compared with systemd-escape",
  "src/protocol/orders.ts: parseOrder": "one line, apart from how bytes are cut",
  "src/trace-dat/read/reader.ts: readHead": "the head of a file, compared before and after a copy",
  "ffi/fd.ts: statusFlags": "what setNonBlocking has set",
  // What tests must know to make or find the same.
  "src/guest/control/session-notes.ts: notesFolder": "where an agent's notes are",
  "src/base/notify.ts: watchdogMs": "the interval that systemd asks for",
  "src/host/setup/setup-plan.ts: portsPerController": "the bound of a device",
  "src/views/serve-trace.ts: perfettoPort": "the port that must be free",
  "ffi/static/cache.ts: cacheFolder": "the cache that build and tests share",
  "ffi/static/debian-packages.ts: unpackedDependency": "kernels for guests come from the same packages",
  // Tools of the tests that are the program's own code with another front.
  "src/ring-buffer/event-count.ts: countEvents": "counts a whole stream at once",
  "ffi/pipe.ts: makeFifo": "by a path; the program makes FIFOs in directories that it holds open",
};

/** Where files are written in a directory that was just made for them alone. */
const filesOfTheirOwn = ["src/host/live/recent.ts", "src/host/setup/virsh.ts"];

/** "file:line: text" of each line of `files` that matches. */
function linesWith(files: readonly string[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    textOf(file)
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );
}

/** The anchors that GitHub gives to a document's headings. */
function anchorsOf(text: string): string[] {
  const prose = text.replace(/^```[^]*?^```/gm, "");
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
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

  test("uses the field's words: none of those that once stood for accounting, slots, warm-up and the like", () => {
    // Brackets, so that this line is none of them.
    expect(linesWith([...all, ...documents], /\b([b]ooks|[r]ehears\w*|[s]eats?|[o]wes|[m]end(s|ed|ing)?)\b/)).toEqual(
      [],
    );
  });

  test("names what it exports: no default export, no barrel", () => {
    expect(linesWith([...shipped, ...tests], /^export (default|\*)/)).toEqual([]);
  });

  test("imports our files with their ending, and node's modules by node:", () => {
    const bad = [...shipped, ...tests].flatMap((file) =>
      specifiersOf(file)
        .filter((specifier) =>
          specifier.startsWith(".") ? !/\.(ts|json)$/.test(specifier) : builtinModules.includes(specifier),
        )
        .map((specifier) => `${file}: ${specifier}`),
    );
    // bun:ffi and bun:test stand among the built-in modules with their prefix.
    expect(bad.filter((entry) => !entry.includes(": bun:"))).toEqual([]);
  });
});

describe("documents", () => {
  test("link to files and headings that are there", () => {
    const links = documents.flatMap((document) =>
      [...textOf(document).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(([, path = "", anchor]) => ({
        document,
        path: path === "" ? document : join(dirname(document), path),
        anchor,
      })),
    );
    expect(links.length).toBeGreaterThan(50);
    const broken = links.filter(
      ({ path, anchor }) =>
        !existsSync(join(projectFolder, path)) || (anchor !== undefined && !anchorsOf(textOf(path)).includes(anchor)),
    );
    expect(broken).toEqual([]);
  });

  test("have anchors as GitHub makes them of headings", () => {
    expect(anchorsOf("# `a`, [b](c.md) and D-e\n```\n# no\n```\n## What happens when?\n")).toEqual([
      "a-b-and-d-e",
      "what-happens-when",
    ]);
  });

  test("fit a screen where they are prose, and the README is 200 lines at most", () => {
    const wide = linesWith(documents, /^(?![|!]|```).{151,}/);
    expect(wide).toEqual([]);
    expect(textOf("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(200);
  });
});

describe("dependencies", () => {
  /** The rooms of src/ in order of dependency. A room may import itself and rooms below it; ffi is the lowest. */
  const floors: readonly (readonly string[])[] = [
    ["packaging"],
    ["src/main.ts"],
    ["src/cli"],
    ["src/check"],
    ["src/install"],
    ["src/guest", "src/host"],
    ["src/views"],
    ["src/timeline"],
    ["src/trace-dat"],
    ["src/events"],
    ["src/ring-buffer"],
    ["src/transport"],
    ["src/protocol"],
    ["src/tracefs"],
    ["src/base"],
    ["ffi"],
  ];
  const roomOf = (file: string): string => {
    const [top = "", folder = ""] = file.split("/");
    if (top !== "src" || file === "src/main.ts") return top === "src" ? file : top;
    return `src/${folder}`;
  };
  const floorOf = (room: string): number => floors.findIndex((rooms) => rooms.includes(room));
  const mayImport = (room: string, other: string): boolean => {
    if (room === other) return true;
    if (room === "build.ts") return other === "ffi" || other === "packaging";
    return floorOf(other) > floorOf(room) && (room !== "src/main.ts" || other !== "ffi");
  };

  test("belong to a room that has its floor", () => {
    expect([...new Set(shipped.map(roomOf))].filter((room) => room !== "build.ts" && floorOf(room) === -1)).toEqual([]);
  });

  test("between rooms point down", () => {
    const wrong = shipped.flatMap((file) =>
      importsOf(file)
        .filter((path) => !mayImport(roomOf(file), roomOf(path)))
        .map((path) => `${file} -> ${path}`),
    );
    expect(wrong).toEqual([]);
  });

  test("on libc go through two files: the agent's functions, and the host's", () => {
    const files = new Set(linesWith(shipped, /\bdlopen\(/).map((line) => line.split(":")[0]));
    expect(files).toEqual(new Set(["ffi/libc-host.ts", "ffi/libc.ts"]));
    const users = shipped.filter((file) => specifiersOf(file).includes("bun:ffi"));
    expect(users.filter((file) => !file.startsWith("ffi/"))).toEqual([]);
  });

  test("from npm are pinned, and each is used", () => {
    const { dependencies, devDependencies } = packageJson;
    const versions = Object.entries({ ...dependencies, ...devDependencies });
    // DuckDB's packages for node count their own releases of one DuckDB.
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(?:-r\.\d+)?$/.test(version))).toEqual([]);
    const used = new Set(shipped.flatMap(specifiersOf));
    expect(Object.keys(dependencies).filter((name) => ![...used].some((path) => path.split("/")[0] === name))).toEqual(
      [],
    );
    const packages = [...used].filter((name) => /^[a-z@]/.test(name) && !/^(node|bun):|\.json$/.test(name));
    expect(packages.filter((name) => !(name.replace(/\/.*/, "") in dependencies))).toEqual([]);
  });
});

describe("what nothing uses", () => {
  test("is not exported: only what ships counts as a user, but for what tests need alone", () => {
    const unused = unusedExports(shipped, shipped);
    expect(unused.filter((name) => !(name in usedByTestsAlone))).toEqual([]);
    expect(unusedExports(shipped, [...shipped, ...tests])).toEqual([]);
  });

  test("is no member of a class, and no limit", () => {
    expect(unusedMembers(shipped)).toEqual([]);
  });

  test("is found, where the users are left out", () => {
    expect(unusedExports(["src/base/table.ts"], ["src/base/table.ts"])).toEqual(["src/base/table.ts: table"]);
    expect(unusedMembers(["src/base/rate.ts"])).toContain("src/base/rate.ts: takeLeftOut");
    expect(unusedMembers(["src/views/limits.ts"])).toContain("src/views/limits.ts: liveNamesMs");
  });
});

describe("the program", () => {
  test("prints by log or on purpose to stdout, never by console", () => {
    expect(linesWith(filesUnder("src", ".ts"), /\bconsole\.\w+\(/)).toEqual([]);
  });

  test("writes to stdout so that a failure is seen, and files by the one class for outputs", () => {
    // What process.stdout takes is written later, when nobody can be told any more that it could not be.
    expect(linesWith(filesUnder("src", ".ts"), /process\.stdout\.write\(/)).toEqual([]);
    const writers = linesWith(filesUnder("src", ".ts"), /\b(writeFileSync|appendFileSync|copyFileSync|Bun\.write)\(/);
    expect([...new Set(writers.map((line) => line.split(":")[0]))]).toEqual(filesOfTheirOwn);
  });

  test("names every size in bytes and every time in milliseconds by its unit", () => {
    const limits = shipped
      .filter((file) => file.endsWith("/limits.ts"))
      .flatMap((file) => textOf(file).match(/^ {2}\w+: .*,$/gm) ?? []);
    expect(limits.length).toBeGreaterThan(10);
    expect(limits.filter((line) => /[KM]iB/.test(line) && !/^ {2}\w+(Bytes|Chars|Width): /.test(line))).toEqual([]);
    expect(linesWith(shipped, /\b(\w+T|t)imeout\b\s*[:=]\s*\d|\b(delay|interval|duration)\b\s*[:=]\s*\d/)).toEqual([]);
  });

  test("ends, sleeps and runs other programs only where that is its business", () => {
    const sleeps = linesWith(filesUnder("src/guest", ".ts"), /\b(Bun\.sleep|sleepSync|usleep)\(/);
    expect(sleeps).toEqual([]);
    expect(
      linesWith(filesUnder("src", ".ts"), /\b(exec|execSync)\(/).filter((line) => !line.includes(".exec(")),
    ).toEqual([]);
  });
});

describe("tests", () => {
  test("are all run: none is marked only or to be written", () => {
    expect(linesWith(tests, /\b(test|describe|it)\.(only|todo)\(/)).toEqual([]);
  });

  test("that cannot run are skipped, and so counted: none says so and passes", () => {
    expect(linesWith(tests, /\breturn (void )?console\./)).toEqual([]);
  });

  test("bear sentences as names", () => {
    const short = linesWith(tests, /^\s*(test|it)\("[^" ]*",/);
    expect(short).toEqual([]);
  });

  test("know their longer form from one place, by which the gate finds them", () => {
    const places = linesWith(tests, /TRACE_AGENT_LONG_[T]ESTS/).map((line) => line.split(":")[0]);
    expect(new Set(places)).toEqual(new Set(["test/gate.ts", "test/support/long.ts"]));
  });

  test("know their quick form from one place", () => {
    const places = linesWith(tests, /TRACE_AGENT_QUICK_[T]ESTS/).map((line) => line.split(":")[0]);
    expect(new Set(places)).toEqual(new Set(["test/gate.ts", "test/support/quick.ts"]));
  });

  test("are in files that end in .test.ts", () => {
    const strays = tests.filter((file) => !file.endsWith(".test.ts") && /^(test|it)\(/m.test(textOf(file)));
    expect(strays).toEqual([]);
  });
});
