/** Which triggers no machine can be watched for. */
import { expect, test } from "bun:test";
import type { TraceMetadata } from "../../../src/events/trace-metadata.ts";
import type { Trigger } from "../../../src/host/triggers/trigger.ts";
import { unwatched } from "../../../src/host/triggers/watchable.ts";
import { madeMetadata } from "../../support/made-machine.ts";
import { madeLayout } from "../../support/made-sub-buffers.ts";

const latency: Trigger = { text: "latency=20ms", kind: "latency", ns: 20_000_000 };
const lost: Trigger = { text: "lost", kind: "lost" };
const of = (more: object = {}): TraceMetadata => ({ ...madeMetadata, layout: madeLayout, ...more });
const counting = of({ traceClock: "[x86-tsc]" });
const event = (condition: string): Trigger => ({
  text: `event=sched:sched_switch/${condition}`,
  kind: "event",
  event: "sched:sched_switch",
  filter: `sched:sched_switch: ${condition}`,
});

test("one machine that can be watched is enough", () => {
  expect(unwatched([latency, lost, event("next_pid == 7")], [counting, of()])).toBeUndefined();
  expect(unwatched([event("next_pid == 7")], [of({ formats: [] }), of()])).toBeUndefined();
});

test("none is refused, whatever the other triggers are, with what the first machine lacks", () => {
  expect(unwatched([lost, latency], [counting, of({ formats: [] })])?.text).toBe(
    'no machine can be watched for "latency=20ms": its trace clock "x86-tsc" does not count ns',
  );
  expect(unwatched([latency, event("next_pod == 7")], [of()])?.text).toContain('has no field "next_pod"');
  expect(unwatched([event("next_comm == 7")], [of()])?.text).toContain("is a text");
});

test("where no machine is there nothing is refused", () => {
  expect(unwatched([latency, event("next_pod == 7")], [])).toBeUndefined();
});
