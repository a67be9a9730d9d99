/**
 * The static executable cannot be steered by its working directory or its environment: each way that bends Bun's own
 * output is tried on it.
 */
import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  sampleOf,
  execute,
  type Outcome,
  agentVariables,
  commandVariables,
  reportOf,
  type Sample,
} from "./support/sample.ts";

const path = process.env["PATH"] ?? "";
const compiler = Bun.which("gcc") ?? Bun.which("cc");
let sample: Sample;
/** A working directory and a home full of files that Bun would read, and that write `proof` when they run. */
let trap: string;
let proof: string;

beforeAll(async () => {
  sample = await sampleOf();
  trap = join(sample.folder, "trap");
  proof = join(sample.folder, "proof");
  mkdirSync(join(trap, "node_modules/evil"), { recursive: true });
  const evil = `require("fs").writeFileSync(${JSON.stringify(proof)}, "ran");`;
  const files = {
    "evil.js": evil,
    "node_modules/evil/index.js": evil,
    "bunfig.toml": 'preload = ["./evil.js"]\n[run]\npreload = ["./evil.js"]\n',
    ".bunfig.toml": `preload = [${JSON.stringify(join(trap, "evil.js"))}]\n`,
    ".env": "FROM_DOTENV=1\nBUN_OPTIONS=--preload=./evil.js\n",
    ".env.production": "FROM_DOTENV=1\n",
    "package.json": '{"name":"evil","imports":{"*":"./evil.js"},"main":"evil.js"}',
    "tsconfig.json": '{"compilerOptions":{"baseUrl":".","paths":{"*":["./evil.js"]}}}',
    "worker.ts": evil,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(trap, name), text);
}, 300_000);
afterEach(() => rmSync(proof, { force: true }));

/** Runs a program in the trap with these variables; `proof` must not be there afterwards. */
function inTrap(file: string, env: Record<string, string> = {}): Outcome {
  return execute([file], { cwd: trap, env: { HOME: trap, XDG_CONFIG_HOME: trap, PATH: path, ...env } });
}

/** It ran as it always does, saw nothing of the variables, and said nothing. */
function expectUnbent(outcome: Outcome): void {
  const { environment, worker } = reportOf(outcome);
  expect(Object.keys(environment).sort()).toEqual(
    [...Object.keys(agentVariables()), "HOME", "PATH", "XDG_CONFIG_HOME"].sort(),
  );
  expect(worker).toHaveProperty("url", "file:///$bunfs/root/worker.js");
  expect(outcome.stderr).toBe("");
  expect(existsSync(proof)).toBeFalse();
}

describe("the working directory", () => {
  test("would bend bun itself: the trap works", () => {
    writeFileSync(join(trap, "harmless.js"), "");
    execute([process.execPath, "harmless.js"], { cwd: trap, env: { HOME: trap, PATH: path } });
    expect(existsSync(proof)).toBeTrue();
  });

  test("gives the executable no bunfig.toml, .env, package.json, tsconfig.json or Worker file", () => {
    expectUnbent(inTrap(sample.static));
  });
});

describe("the environment", () => {
  /** Variables, and what they visibly do to Bun's own output; undefined where nothing shows without a crash. */
  const variables: [string, string, RegExp | undefined][] = [
    ["BUN_OPTIONS", "--preload=./evil.js", /EvalError/],
    ["BUN_BE_BUN", "1", /Usage: bun <command>/],
    ["BUN_INSPECT", "127.0.0.1:0", /BUN_INSPECT cannot be used/],
    ["BUN_INSPECT_PRELOAD", "./evil.js", /EvalError/],
    ["BUN_JSC_dumpOptions", "1", /Modified JSC options/],
    ["mimalloc_verbose", "1", /mimalloc: /],
    ["LD_PRELOAD", "/missing.so", /object '\/missing.so' from LD_PRELOAD/],
    ["LD_DEBUG", "libs", /calling init/],
    ["LD_AUDIT", "/missing.so", /missing.so/],
    ["BUN_ENABLE_CRASH_REPORTING", "1", undefined],
    ["NODE_OPTIONS", "--require ./evil.js", undefined],
    ["NODE_CHANNEL_FD", "99", undefined],
    ["GLIBC_TUNABLES", "glibc.malloc.check=3", undefined],
    ["MALLOC_PERTURB_", "1", undefined],
  ];

  test.each(variables)("%s=%s does nothing", (name, value, effect) => {
    if (effect !== undefined) {
      const bent = inTrap(sample.dynamic, { [name]: value });
      expect(bent.stdout + bent.stderr).toMatch(effect);
    }
    expectUnbent(inTrap(sample.static, { [name]: value }));
  });

  test("all of them at once do nothing", () => {
    const all = Object.fromEntries(variables.map(([name, value]) => [name, value]));
    expectUnbent(inTrap(sample.static, all));
  });

  test.skipIf(compiler === null)("LD_PRELOAD and LD_LIBRARY_PATH load nothing of the caller's", () => {
    const code = `#include <fcntl.h>\n__attribute__((constructor)) static void run(void) { creat("${proof}", 0600); }\n`;
    writeFileSync(join(trap, "evil.c"), code);
    const libraries = [join(trap, "evil.so"), join(trap, "libdl.so.2")];
    for (const library of libraries) {
      const built = execute([compiler ?? "cc", "-shared", "-fPIC", "-o", library, "evil.c"], {
        cwd: trap,
        env: { PATH: path },
      });
      expect(built.stderr).toBe("");
    }
    inTrap(sample.dynamic, { LD_PRELOAD: libraries[0] ?? "" });
    expect(existsSync(proof)).toBeTrue();
    rmSync(proof);
    expectUnbent(inTrap(sample.static, { LD_PRELOAD: libraries[0] ?? "", LD_LIBRARY_PATH: trap }));
  });

  test("of names that only look like those reaches the program", () => {
    const kept = { BUNDLE: "1", LDAP: "2", NODENAME: "3", MALLOC: "4", NOTIFY_SOCKET: "5", NO_COLOR: "6" };
    expect(reportOf(inTrap(sample.static, kept)).environment).toMatchObject(kept);
  });

  test("may be large: a thousand variables and arguments arrive", () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`VARIABLE_${i}`, `value ${i}`]));
    const outcome = execute([sample.static, ...Object.values(many)], { env: many });
    const { argv, environment } = reportOf(outcome);
    expect(environment).toEqual({ ...many, ...commandVariables });
    expect(argv.slice(2)).toEqual(Object.values(many));
  });
});
