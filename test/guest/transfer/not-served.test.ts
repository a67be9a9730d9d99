/** Events of CPUs without a transfer: counted once, and only those of the run that are still there. */
import { afterAll, expect, test } from "bun:test";
import { NotServedAccounting } from "../../../src/guest/transfer/not-served.ts";
import { FakeTracefs } from "../../support/fake-tracefs.ts";

const tracefs = new FakeTracefs();
afterAll(() => tracefs.remove());

function counters(cpu: number, entries: number, overrun: number, read = 0): void {
  tracefs.write(
    `per_cpu/cpu${cpu}/stats`,
    `entries: ${entries}\noverrun: ${overrun}\ncommit overrun: 0\nread events: ${read}\n`,
  );
}

test("NotServedAccounting tells what the run wrote and nobody overwrote", () => {
  const unserved = [{ cpu: 1, offline: false, reason: "no data port" }];
  const events = (running = true): number[] => accounting.list(unserved, running).map((one) => one.events);
  const accounting = new NotServedAccounting(tracefs.path);
  counters(1, 50, 0);
  accounting.begin(unserved);
  expect(events()).toEqual([0]);
  counters(1, 120, 0);
  expect([events(), events(false)]).toEqual([[70], [0]]);
  // The oldest were overwritten, which overrun counts.
  counters(1, 60, 200);
  expect(events()).toEqual([60]);
  // The ring buffer was emptied meanwhile.
  counters(1, 7, 0);
  expect(events()).toEqual([7]);
});

test("NotServedAccounting tells of an offline CPU only where it has events, and of one that had its transfer at the start", () => {
  const accounting = new NotServedAccounting(tracefs.path);
  accounting.begin([]);
  counters(1, 0, 0);
  counters(2, 3, 0, 10);
  const offline = [1, 2].map((cpu) => ({ cpu, offline: true, reason: "" }));
  expect(accounting.list(offline, true)).toEqual([{ cpu: 2, events: 3, reason: "its CPU was offline" }]);
});
