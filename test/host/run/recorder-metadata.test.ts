/** What a recorder orders of a guest's metadata, and what it keeps of them: against an agent that behaves as the test tells it. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { makeGuestDirectory } from "../../../src/host/setup/setup.ts";
import { planSetup } from "../../../src/host/setup/setup-plan.ts";
import { traceAgent } from "../../support/recorder-process.ts";
import type { FakeAgentScript } from "../../support/fake-agent.ts";
import { ServedGuests } from "../../support/served-guest.ts";
import { sectionsBody } from "../../support/sub-buffers.ts";

const base = mkdtempSync(`${tmpdir()}/ta-metadata-`);
const guest = `${base}/vm`;
const cache = process.env["CACHE_DIRECTORY"] ?? "";
const started: ServedGuests[] = [];
makeGuestDirectory(guest, planSetup(1), "fifo", undefined);
let count = 0;

const endAll = async (): Promise<void> => {
  for (const agent of started.splice(0)) await agent.end();
};
afterEach(endAll);
afterAll(() => rmSync(base, { recursive: true }));

const page =
  "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n";

/** The fake agent gives the same body whatever sections were ordered. */
function answer(files: Record<string, string>, missing: Record<string, string> = {}): string {
  const body = sectionsBody({ "events/header_page": page, "events/header_event": "x", ...files }, missing);
  const frame = `{"reply":"frame","bytes":${body.length},"last":true}\n${body.toString("latin1")}`;
  return `{"reply":"sections","sections":[]}\n${frame}`;
}

/** Records once; gives the orders for metadata and what is in the file. */
async function recordOnce(
  events: string[],
  { metadata, modules = "m", directory = guest }: { metadata: string; modules?: string; directory?: string },
): Promise<{ orders: string[]; file: Buffer }> {
  const ordersTo = `${base}/orders${++count}`;
  const output = `${base}/out${count}.dat`;
  const script: FakeAgentScript = {
    transport: "fifo",
    cpus: 1,
    subBuffers: 2,
    words: ["host", "lease", "frames", "sections"],
    hello: { symbols: { modules, kptrRestrict: "0", printkBytes: 5 } },
    answers: { metadata },
    ordersTo,
  };
  started.push(await ServedGuests.startAgents({ [directory]: script }));
  const args = events.flatMap((event) => ["-e", event]);
  const { code, stderr } = await traceAgent("record", directory, ...args, "-d", "0.1", "-o", output);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  await endAll();
  const orders = readFileSync(ordersTo, "utf8").split("\n");
  return { orders: orders.filter((order) => order.startsWith("metadata")), file: readFileSync(output) };
}

const symbols = { kallsyms: "ffffffff81000000 T the_symbol\n", printk_formats: '0x1 : "the format"\n' };
const end = "metadata formats tasks stats";

test("formats of what is recorded, and symbols once per boot and set of modules", async () => {
  const metadata = answer(symbols);
  const kept = readdirSync(cache).length;
  const first = await recordOnce(["sched:sched_switch", "irq:*"], { metadata });
  const formats = "metadata formats:sched formats:irq formats:ftrace tasks stats";
  // The names of events are checked against the guest's own.
  const names = "metadata available_events";
  expect(first.orders).toEqual([names, formats, "metadata kallsyms printk", end]);
  expect(readdirSync(cache)).toHaveLength(kept + 1);
  const second = await recordOnce(["sched:sched_switch", "irq:*"], { metadata: answer({}) });
  expect(second.orders).toEqual([names, formats, end]);
  for (const { file } of [first, second]) {
    expect(file.includes("the_symbol")).toBe(true);
    expect(file.includes("the format")).toBe(true);
  }
  const others = await recordOnce(["sched:sched_switch"], { metadata, modules: "another" });
  expect(others.orders).toContain("metadata kallsyms printk");
}, 300_000);

test("symbols again where they were hidden, formats of what the guest has enabled, and its list where a name may be a system", async () => {
  const hidden = answer({ available_events: "sched:sched_switch\nirq:irq_exit\n" }, { kallsyms: "hidden" });
  for (let turn = 0; turn < 2; turn++) {
    const { orders } = await recordOnce([], { metadata: hidden, modules: "hidden" });
    expect(orders).toEqual(["metadata formats formats:ftrace tasks stats", "metadata kallsyms printk", end]);
  }
  const { orders } = await recordOnce(["irq_exit"], { metadata: hidden, modules: "hidden" });
  expect(orders.slice(0, 2)).toEqual(["metadata available_events", "metadata formats:irq formats:ftrace tasks stats"]);
}, 300_000);

test("symbols each time where nothing can be kept, which is no error", async () => {
  const metadata = answer(symbols);
  process.env["CACHE_DIRECTORY"] = "/proc/trace-agent";
  try {
    for (let turn = 0; turn < 2; turn++) {
      const { orders, file } = await recordOnce(["sched:sched_switch"], { metadata, modules: "not kept" });
      expect(orders).toContain("metadata kallsyms printk");
      expect(file.includes("the_symbol")).toBe(true);
    }
  } finally {
    process.env["CACHE_DIRECTORY"] = cache;
  }
}, 300_000);

test("one guest's symbols never come from what another says that it is", async () => {
  const modules = "the same";
  const first = await recordOnce(["sched:sched_switch"], { metadata: answer(symbols), modules });
  expect(first.orders).toContain("metadata kallsyms printk");
  const other = `${base}/other`;
  makeGuestDirectory(other, planSetup(1), "fifo", undefined);
  const lie = answer({ ...symbols, kallsyms: "ffffffff81000000 T a_lie\n" });
  const hostile = await recordOnce(["sched:sched_switch"], { metadata: lie, modules, directory: other });
  expect(hostile.orders).toContain("metadata kallsyms printk");
  const again = await recordOnce(["sched:sched_switch"], { metadata: answer({}), modules });
  expect(again.orders).not.toContain("metadata kallsyms printk");
  expect([again.file.includes("the_symbol"), again.file.includes("a_lie")]).toEqual([true, false]);
}, 300_000);
