import { describe, expect, test } from "bun:test";
import { AgentError } from "../../src/base/errors.ts";
import { makeCommand } from "../../src/cli/command.ts";
import { formatSize, parseSize } from "../../src/cli/size.ts";
import { closest, editDistance } from "../../src/base/suggest.ts";

/** Runs a command that only notes what it was given. */
async function read(...argv: string[]): Promise<unknown> {
  let seen: unknown;
  const command = makeCommand({
    name: "sample",
    description: "a sample",
    flags: {
      event: { type: "string", short: "e", multiple: true, description: "an event" },
      size: { type: "string", short: "s", description: "a size" },
      json: { type: "boolean", short: "j", description: "as JSON" },
    },
    positionals: [{ name: "FILE", description: "the file" }],
    run: (values, positionals) => {
      seen = { ...values, positionals };
    },
  });
  await command.run(argv);
  return seen;
}

async function refusal(...argv: string[]): Promise<string> {
  try {
    await read(...argv);
  } catch (error) {
    if (error instanceof AgentError) return `${error.kind}: ${error.text}`;
    throw error;
  }
  return "accepted";
}

describe("the arguments of a command", () => {
  test("flags come in every usual form, and repeated ones are all kept", async () => {
    expect(await read("-e", "sched", "--event=irq", "-s64K", "-j", "x.dat")).toMatchObject({
      event: ["sched", "irq"],
      size: "64K",
      json: true,
      positionals: ["x.dat"],
    });
    expect(await read("x.dat")).toMatchObject({ event: [], json: false, positionals: ["x.dat"] });
    expect(await read("--", "-x.dat")).toMatchObject({ positionals: ["-x.dat"] });
  });

  test("a misspelt flag is an error that names the one that was meant", async () => {
    expect(await refusal("--evnet", "x", "f")).toContain('unknown option "--evnet"; did you mean --event?');
    expect(await refusal("--zzzzzz", "f")).toContain('unknown option "--zzzzzz"; see trace-agent sample --help');
    expect(await refusal("--constructor", "f")).toContain('unknown option "--constructor"');
    expect(await refusal("-x", "f")).toContain('unknown option "-x"');
  });

  test("a missing value, a value too many, a flag given twice and a missing or superfluous argument are errors", async () => {
    expect(await refusal("f", "--size")).toContain('option "--size" needs a value');
    expect(await refusal("--size", "--json", "f")).toContain('option "--size" needs a value');
    expect(await refusal("--json=yes", "f")).toContain('option "--json" takes no value');
    expect(await refusal("-s", "1", "-s", "2", "f")).toContain('option "-s" is given twice');
    expect(await refusal()).toContain("usage: FILE is missing");
    expect(await refusal("f", "g")).toContain('unexpected argument "g"');
  });
});

describe("sizes", () => {
  test("parseSize() reads digits with K, M and G, and quotes what it cannot read", () => {
    expect(parseSize("size", "64K")).toBe(65536);
    expect(parseSize("size", "1m")).toBe(1048576);
    expect(parseSize("size", "4096")).toBe(4096);
    for (const text of ["", "K", "-1", "1.5M", "1T", "64KB", "9999999999999999", "999999999999G"]) {
      expect(() => parseSize("pipe size", text)).toThrow(`cannot read pipe size "${text}"`);
    }
  });

  test("formatSize() gives the shortest exact form", () => {
    expect([65536, 1048576, 1000, 1536].map((bytes) => formatSize(bytes))).toEqual(["64K", "1M", "1000", "1536"]);
  });
});

describe("suggestions", () => {
  test("closest() finds what is near and nothing else", () => {
    expect(closest("recrod", ["record", "report"])).toBe("record");
    expect(closest("xyzzy", ["record", "report"])).toBeUndefined();
    expect(editDistance("ab", "ba")).toBe(1);
    expect(editDistance("", "abc")).toBe(3);
  });
});
