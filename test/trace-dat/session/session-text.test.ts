/** session.json as text: as JSON writes it, whether the texts of its recordings are kept or not. */
import { expect, test } from "bun:test";
import type { SessionFile, SessionRecording } from "../../../src/trace-dat/session/session-file.ts";
import { amendRecording, sessionText, settleRecording } from "../../../src/trace-dat/session/session-text.ts";

const plain = (file: SessionFile): string =>
  `${JSON.stringify({ kind: "trace-agent session", version: 1, ...file }, undefined, 2)}\n`;

function makeSession(): { file: SessionFile; recordings: SessionRecording[] } {
  const recordings = [1, 2, 3].map((number): SessionRecording => ({
    file: `vm1/a-000${number}.dat`,
    state: "whole",
    number,
    step: { from: "1", to: "2", ns: "-3" },
    reason: 'a line\n      "recordings": 0,\nof nobody',
  }));
  const file: SessionFile = {
    recorder: 'x\n      "recordings": 0',
    machines: [
      { name: "host", kind: "host", recordings: [] },
      { name: "vm1", kind: "guest", recordings, removed: { recordings: 0, events: 0 } },
      { name: '\n      "recordings": 0', kind: "guest", leftOut: "no", recordings: [] },
    ],
    clocks: {},
    offsets: {},
    losses: {},
  };
  return { file, recordings };
}

test("sessionText() is what JSON writes, the first time and again", () => {
  const { file, recordings } = makeSession();
  expect(sessionText(file)).toBe(plain(file));
  for (const one of recordings) settleRecording(one);
  expect(sessionText(file)).toBe(plain(file));
  expect(sessionText(file)).toBe(plain(file));
});

test("sessionText() tells what changed: recordings that are not settled, settled ones that are amended, and those that went", () => {
  const { file, recordings } = makeSession();
  const [first, second, third] = recordings;
  if (first === undefined || second === undefined || third === undefined) throw new Error("no recordings");
  settleRecording(first);
  settleRecording(second);
  sessionText(file);
  third.ended = "later";
  amendRecording(second, { state: "incomplete", reason: "it ended early" });
  expect(sessionText(file)).toBe(plain(file));
  amendRecording(second, { reason: "again" });
  expect(sessionText(file)).toBe(plain(file));
  recordings.shift();
  expect(sessionText(file)).toBe(plain(file));
});
