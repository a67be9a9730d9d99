/** The completions, by the shells that they are for. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { agentEntry, knownEntries } from "../../src/cli/commands.ts";
import { bashCompletion } from "../../src/cli/completion/bash.ts";
import { fishCompletion } from "../../src/cli/completion/fish.ts";
import { zshCompletion } from "../../src/cli/completion/zsh.ts";
import { whyNoTools } from "../support/packages.ts";
import { traceAgent } from "../support/recorder-process.ts";
import { testUnless } from "../support/test-unless.ts";

const base = mkdtempSync(join(tmpdir(), "ta-completion-"));
afterAll(() => rmSync(base, { recursive: true }));
const guestsDirectory = join(base, "guests");
for (const guest of ["vm1", "vm2", "other", "$(touch bad)"])
  mkdirSync(join(guestsDirectory, guest), { recursive: true });
mkdirSync(join(base, "files/folder"), { recursive: true });
writeFileSync(join(base, "files/trace.dat"), "");

const program = (await agentEntry.load()).text;
const commands = await Promise.all(
  knownEntries.map(async ({ load, description }) => Object.assign({}, (await load()).text, { description })),
);
const table = { program, commands, guestsDirectory };

/** What is typed, and what must be among the answers; and what must not. */
const cases: { typed: string; all: string[]; none?: string[] }[] = [
  { typed: "trace-agent reco", all: ["record", "recover"], none: ["report"] },
  { typed: "trace-agent --log-l", all: ["--log-level"] },
  { typed: "trace-agent --log-level d", all: ["debug"] },
  { typed: "trace-agent record --buf", all: ["--buffer-size"] },
  { typed: "trace-agent record -C mono", all: ["mono", "mono_raw"], none: ["boot"] },
  { typed: "trace-agent record -e sched vm", all: ["vm1", "vm2"], none: ["other"] },
  { typed: "trace-agent status vm", all: ["vm1", "vm2"] },
  { typed: "trace-agent report tr", all: ["trace.dat"] },
  { typed: "trace-agent install --root fol", all: ["folder/"] },
  { typed: "trace-agent help comp", all: ["completion"] },
];

function run(words: string[]): { stdout: string; stderr: string } {
  const { stdout, stderr } = Bun.spawnSync(words, {
    cwd: join(base, "files"),
    env: { PATH: process.env["PATH"] ?? "", HOME: base, TERM: "xterm", LC_ALL: "C.UTF-8" },
    timeout: 280_000,
  });
  return { stdout: stdout.toString(), stderr: stderr.toString() };
}

function check(answers: readonly string[], { typed, all, none = [] }: (typeof cases)[number]): void {
  const found = new Set(answers.map((answer) => answer.replace(/\/$/, "")));
  const missing = all.filter((word) => !found.has(word.replace(/\/$/, "")));
  expect({ typed, missing, wrong: none.filter((word) => found.has(word)) }).toEqual({
    typed,
    missing: [],
    wrong: [],
  });
}

describe("bash", () => {
  const script = join(base, "trace-agent.bash");
  writeFileSync(script, bashCompletion(table));
  const ask = (...typed: string[]): string[] =>
    run([
      "bash",
      "-c",
      'source "$1"; shift; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _trace_agent; printf "%s\\n" "${COMPREPLY[@]}"',
      "bash",
      script,
      ...typed,
    ])
      .stdout.split("\n")
      .filter((line) => line !== "");

  test.each(cases)("completes $typed", (one) => {
    check(ask(...one.typed.split(" ")), one);
  });

  test("completes --option=VALUE, a directory of a guest, and the command behind --", () => {
    check(ask("trace-agent", "record", "--format", "=", "v"), { typed: "--format=v", all: ["v6", "v7"] });
    check(ask("trace-agent", "status", "./fol"), { typed: "./fol", all: ["./folder"] });
    check(ask("trace-agent", "record", "--local", "--", "mktem"), { typed: "-- mktem", all: ["mktemp"] });
    check(ask("trace-agent", "record", "--local", "--", "cat", "tr"), { typed: "-- cat tr", all: ["trace.dat"] });
  });

  test("runs nothing of the name of a guest, and quotes it", () => {
    expect(ask("trace-agent", "status", "$")).toEqual(["\\$\\(touch\\ bad\\)"]);
    expect(run(["ls"]).stdout).toBe("folder\ntrace.dat\n");
  });
});

const noZsh = await whyNoTools("zsh");
describe("zsh", () => {
  const folder = join(base, "zsh");
  mkdirSync(folder);
  writeFileSync(join(folder, "_trace-agent"), zshCompletion(table));
  const driver = join(base, "driver.zsh");
  writeFileSync(
    driver,
    `zmodload zsh/zpty
zpty z zsh -f -i
seen=
# PATTERN: reads until the output holds it, for two minutes at most.
until_seen() {
  local chunk
  repeat 1200; do
    while zpty -rt z chunk; do seen+=$chunk; done
    [[ $seen == *$~1* ]] && return 0
    sleep 0.1
  done
  return 1
}
# The prompt says that the line editor has the terminal. Without bold, which a directory's slash is in, words come in one piece.
zpty -w z "stty -echo; zle_highlight=(none); fpath=($1 \\$fpath); autoload -Uz compinit; compinit -u -d $1/dump; PS1=rea''dy"
until_seen ready || print -u 2 "no prompt: $seen"
seen=
zpty -w -n z "$2"$'\\t'
until_seen "$3" || print -u 2 "not shown in two minutes"
print -r -- "$seen"
zpty -d z
`,
  );
  testUnless(noZsh, "zsh completes all of that at a prompt", () => {
    for (const one of cases) {
      const typed = one.typed.split(" ").at(-1) ?? "";
      const wanted = one.all.length > 1 ? one.all : one.all.map((word) => word.slice(typed.length));
      // Several are listed in one row; of one the rest is written behind what was typed.
      const { stdout, stderr } = run(["zsh", "-f", driver, folder, one.typed, wanted.join("*")]);
      const shown = Bun.stripANSI(stdout);
      const missing = wanted.filter((word) => !shown.includes(word));
      expect({ typed: one.typed, missing, stderr }).toEqual({ typed: one.typed, missing: [], stderr: "" });
    }
  });
});

const noFish = await whyNoTools("fish");
describe("fish", () => {
  const script = join(base, "trace-agent.fish");
  writeFileSync(script, fishCompletion(table));
  testUnless(noFish, "fish completes all of that", () => {
    const lines = cases.map(({ typed }) => `complete -C "${typed}"; echo ---`);
    const { stdout, stderr } = run(["fish", "--no-config", "-c", `source ${script}; ${lines.join("; ")}`]);
    expect(stderr).toBe("");
    const answers = stdout.split("---\n").map((text) => text.split("\n").map((line) => line.split("\t")[0] ?? ""));
    for (const [index, one] of cases.entries()) check(answers[index] ?? [], one);
  });
});

test("trace-agent completion prints what the shells read, and refuses another shell", async () => {
  for (const [shell, sign] of [
    ["bash", "complete -F _trace_agent trace-agent"],
    ["zsh", "#compdef trace-agent"],
    ["fish", "complete -c trace-agent"],
  ] as const) {
    const { code, stdout } = await traceAgent("completion", shell);
    expect({ code, has: stdout.includes(sign), guests: stdout.includes("/run/virtio-trace") }).toEqual({
      code: 0,
      has: true,
      guests: true,
    });
  }
  expect((await traceAgent("completion", "tcsh")).code).toBe(64);
});
