/** Command lines of `record` that are refused, with what is wrong: read by one process, before anything is asked or made. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Batch, runBatch } from "../support/command-batch.ts";

const base = mkdtempSync(join(tmpdir(), "ta-refused-"));
afterAll(() => rmSync(base, { recursive: true }));

type Refused = readonly [what: string, args: readonly string[], message: string, code?: number];

const machines: Refused[] = [
  ["several machines without a directory", ["a/vm1", "a/vm2"], "several machines are recorded into a directory"],
  ["a size of nothing", ["a/vm1", "-m", "0"], 'cannot read max-size "0"'],
  ["stdout", ["a/vm1", "a/vm2", "-o", "-"], 'cannot record to "-": several machines are recorded into a directory'],
  ["two machines of one name", ["a/vm1", "b/vm1", "-o", "new"], 'two machines have the name "vm1"'],
  ["a guest with the host's name", ["a/host", "--host", "-o", "new"], 'two machines have the name "host"'],
  ["metadata of one guest", ["a/vm1", "b/vm2", "-o", "new", "--metadata", "/dev/null"], "no object", 65],
  ["threads of no guest", ["a/vm1", "b/vm2", "-o", "new", "--vcpus", "vm3=1"], "which is no guest of this recording"],
  ["a QMP socket of no guest", ["a/vm1", "b/vm2", "-o", "new", "--qmp", "vm3=/x"], "--qmp is of"],
  ["a QMP socket without a guest", ["a/vm1", "b/vm2", "-o", "new", "--qmp", "/x"], "cannot read --qmp"],
  ["threads that are no numbers", ["a/vm1", "b/vm2", "-o", "new", "--vcpus", "vm1=x"], "cannot read --vcpus"],
  ["--local with events that are left out only", ["--local", "-v", "-e", "sched"], "--local needs an event"],
  ["--local beside others", ["--local", "--host", "-e", "sched"], "--local records this machine alone"],
];

const ring = ["--last", "30s", "-o", "flight"];
const triggers: Refused[] = [
  ["a trigger without a ring", ["vm1", "--on", "lost"], "--on is for --last"],
  ["a trigger that is none", ["vm1", ...ring, "--on", "panic"], "as in signal, lost, latency=20ms, event=SYS:EVENT"],
  ["a value where none is taken", ["vm1", ...ring, "--on", "lost=5"], "takes no value"],
  ["a latency without a unit", ["vm1", ...ring, "--on", "latency=20"], "as in latency=20ms"],
  ["a latency of nothing", ["vm1", ...ring, "--on", "latency=0ms"], "it has no time"],
  ["an event without its system", ["vm1", ...ring, "--on", "event=mark"], "it names no event with its system"],
  ["an event with half a filter", ["vm1", ...ring, "--on", "event=test:mark/value =="], "it ends where a value"],
  ["a silence without guest-gone", ["vm1", ...ring, "--silent-after", "9s"], "--silent-after is for --on guest-gone"],
  ["a silence too short", ["vm1", ...ring, "--on", "guest-gone", "--silent-after", "10ms"], "give 1s or more"],
  ["minutes that may be megabytes", ["vm1", ...ring, "--on", "guest-gone", "--silent-after", "1m"], "write 1min"],
];

const cuts: Refused[] = [
  ["minutes or megabytes", ["vm1", "--rotate", "10m", "-o", "cut"], "write 10M or 10min"],
  ["a time that may be a size", ["vm1", "--last", "3m", "-o", "cut"], "m is not clear; write 3min\n"],
  ["a size that may be a time", ["vm1", "--last", "3s", "--max", "3m", "-o", "cut"], "m is not clear; write 3M\n"],
  ["a time without a unit", ["vm1", "--last", "30", "-o", "cut"], "30s"],
  ["what is kept of nothing", ["vm1", "--keep", "24", "-o", "cut"], "--rotate or --last"],
  ["less than four files", ["vm1", "--rotate", "1G", "--keep", "2G", "-o", "cut"], "less than four files"],
  ["files and a ring", ["vm1", "--rotate", "1G", "--last", "30s", "-o", "cut"], "exclude each other"],
];

const commands: Refused[] = [
  ["a command in a guest", ["vm1", "--", "make"], "never in a guest"],
  ["a command that is missing", ["--local", "-e", "sched", "--"], "the command is missing"],
  ["-F without a command", ["--local", "-e", "sched", "-F"], "--only-command is for a command"],
  ["--as-root without a command", ["--local", "-e", "sched", "--as-root"], "--as-root is for a command"],
  ["-c without -F", ["--local", "-e", "sched", "-c", "--", "make"], "-c is for -F and -P"],
  ["-c without -P", ["vm1", "-e", "sched", "-c"], "-c is for -F and -P"],
  ["-F with -P", ["--local", "-e", "sched", "-F", "-P", "1", "--", "make"], "-F and -P exclude each other"],
  ["a command without --", ["--local", "-e", "sched", "make"], "a command stands behind --"],
  ["--no-filter of a guest", ["vm1", "--no-filter"], "--no-filter is for --local"],
];

const files: (readonly [what: string, text: string, message: string])[] = [
  ["a line that is no TOML", 'output = "x"\n\nhost = \nall = true\n', "line 3: Missing value after '='"],
  ["a key twice", "all = true\n[machines.a]\nwait = 1\nwait = 2\n", "line 4: Cannot redefine key 'wait'"],
  ["an unknown key", 'all = true\noutputs = "x"\n', 'line 2: "outputs": unknown key; did you mean output?'],
  [
    "one of a machine",
    'all = true\n\n[machines.vm1]\n# its clock\nclocks = "mono"\n',
    'line 5: "machines.vm1.clocks": unknown key; did you mean clock?',
  ],
  ["an option of the whole for a machine", "[machines.vm1]\nduration = 3\n", '"machines.vm1.duration": unknown key'],
  ["a clock that is none", '[machines.vm1]\nclock = "sun"\n', '"machines.vm1.clock": unknown trace clock "sun"'],
  ["a bad event", '[machines.vm1]\nevent = [\n  "a b",\n]\n', 'line 2: "machines.vm1.event": cannot use event "a b"'],
  [
    "an event's unknown key",
    'event = [\n  "sched",\n  { event = "a", filtr = "x" },\n]\n',
    'line 3: "event.1.filtr": unknown key; did you mean filter?',
  ],
  ["a text for a flag", 'host = "yes"\n', '"host": Expected boolean but received "yes"'],
  ["a bad duration", 'output = "x"\nduration = "soon"\n', 'line 2: "duration": cannot read duration "soon"'],
  [
    "too little that is kept",
    'output = "x"\nkeep = "2G"\nrotate = "1G"\n',
    'line 2: "keep": --keep 2G is less than four files',
  ],
  ["a share of all", 'output = "x"\nrotate = "1G"\nfree = "100%"\n', 'line 3: "free": cannot read free "100%"'],
  ["what is kept of nothing", 'output = "x"\nkeep = 24\n', 'line 2: "keep": --keep is for --rotate or --last'],
  ["a bound of no ring", 'rotate = "1G"\n\nmax = "1G"\n', 'line 3: "max": --max is for --last'],
  ["a trigger without a ring", 'rotate = "1G"\non = "lost"\n', 'line 2: "on": --on is for --last'],
  ["series of no metrics", "metrics-per-cpu = true\n", 'line 1: "metrics-per-cpu": --metrics-per-cpu is for --metrics'],
  ["a bad wait of a machine", "[machines.vm1]\nwait = -1\n", '"machines.vm1.wait": cannot read duration "-1"'],
  ["a name with a slash", '[machines."a/b"]\nwait = 1\n', '"machines.a/b": a name has no slash'],
  ["a name with a newline", 'output = "x"\n[machines."a\\nb"]\nwait = 1\n', 'cannot use guest "a?b"'],
  ["no output", '[machines.vm1]\nclock = "mono"\n', '.toml": several machines are recorded into a directory'],
];
const json: typeof files = [
  ["no JSON", '{\n  "all": true,\n  "host"\n}\n', "line 3: "],
  [
    "an unknown key of a machine",
    '{\n  "all": true,\n  "machines": {\n    "vm.1": {\n      "waits": 1\n    }\n  }\n}\n',
    'line 5: "machines.vm.1.waits": unknown key; did you mean wait?',
  ],
];
const ofFiles = [...files, ...json].map(([what, text, message], index): Refused => {
  const path = join(base, `${index}.${text.startsWith("{") ? "json" : "toml"}`);
  writeFileSync(path, text);
  return [`a file with ${what}`, ["--config", path], message];
});

const cases = [...machines, ...triggers, ...cuts, ...commands, ...ofFiles];
const place = join(base, "place");
let batch: Batch;
beforeAll(async () => {
  mkdirSync(place);
  batch = await runBatch(
    cases.map(([, args]) => ["record", ...args]),
    { cwd: place },
  );
}, 300_000);

describe("record refuses", () => {
  test.each(cases.map(([what, , message, code = 64], index) => [what, index, message, code] as const))(
    "%s",
    (_, index, message, code) => {
      const { code: own, stderr } = batch.said[index] ?? { code: -1, stderr: "" };
      expect({ code: own, stderr: stderr.toString() }).toEqual({ code, stderr: expect.stringContaining(message) });
    },
  );

  test("and makes nothing", () => {
    expect({ made: readdirSync(place), stdout: batch.stdout.toString() }).toEqual({ made: [], stdout: "" });
  });
});
