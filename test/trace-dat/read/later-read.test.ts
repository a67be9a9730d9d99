/** Symbols, up to 40 MiB of a recording, are read by who asks for them, and not by who opens it. */
import { expect, test } from "bun:test";
import { withParts } from "../../../src/events/trace-metadata.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { joinSegments } from "../../../src/trace-dat/session/joined-source.ts";
import type { TraceSource } from "../../../src/trace-dat/trace-source.ts";
import { fixturePath } from "../../fixtures/fixtures.ts";

const path = fixturePath("linux-6.12");

/** Whether the symbols are still to be read. */
function isUnread({ metadata }: TraceSource): boolean {
  return Object.getOwnPropertyDescriptor(metadata, "kallsyms")?.get !== undefined;
}

function withoutShift(): TraceSource {
  const source = openTraceDat(path);
  return { ...source, metadata: withParts(source.metadata, { timeShift: undefined }) };
}

test.each([
  ["a file", (): TraceSource => openTraceDat(path)],
  ["a file whose metadata got another part", withoutShift],
  ["files that are read as one recording", () => joinSegments([() => openTraceDat(path), () => openTraceDat(path)])],
])("of %s", (_, open) => {
  const source = open();
  try {
    expect(isUnread(source)).toBe(true);
    expect(source.metadata.kallsyms?.length).toBeGreaterThan(0);
  } finally {
    source.close();
  }
});
