/**
 * What truly lies between the clocks of this machine and of a guest: both write their time stamp counter into a page of memory
 * that they share (QEMU's ivshmem), and read the other's (tsc-page.c). Under emulation the guest's counter is this machine's plus a
 * constant. Each side tells, ten times a second, where its mono_raw stood at which count: clocks need not run evenly.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ClockReading } from "../../ffi/clocks.ts";
import { cacheFolder } from "../../ffi/static/cache.ts";
import { eventually } from "./agent-process.ts";
import type { Guest } from "./guest-handle.ts";
import { guestFolder } from "./guest-init.ts";

const source = join(import.meta.dir, "tsc-page.c");

/** Path of the executable, for guests as for this machine. */
export function truthProgram(): string {
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const folder = cacheFolder("guest");
  const program = join(folder, `tsc-page-${hash}`);
  if (existsSync(program)) return program;
  const scratch = mkdtempSync(join(folder, "compile-"));
  try {
    const fresh = join(scratch, "tsc-page");
    const { exitCode, stderr } = Bun.spawnSync(["gcc", "-O2", "-static", "-Wall", "-Werror", "-o", fresh, source]);
    if (exitCode !== 0) throw new Error(`cannot compile ${source}: ${stderr.toString()}`);
    renameSync(fresh, program);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return program;
}

/** QEMU's words for the page, which lies beside the guest's directory. */
export function sharedPageArguments(directory: string): string[] {
  return [
    "-object",
    `memory-backend-file,id=page,share=on,size=1M,mem-path=${directory}.page`,
    "-device",
    "ivshmem-plain,memdev=page,master=on",
  ];
}

/** One moment: what is added to the guest's mono_raw to get this machine's, and how far that may be off, ns. */
export type Truth = { guestTime: number; offset: number; boundNs: number };

/** ns by ns: those of the guests here were below 1e-6 to 6e-5. */
const driftMost = 1e-4;

/** What the truths leave at another time: of the one that leaves least. */
export function nearest(truths: readonly Truth[], guestTime: number): Truth {
  const moved = truths.map(({ guestTime: at, offset, boundNs }) => ({
    guestTime,
    offset,
    boundNs: boundNs + Math.abs(at - guestTime) * driftMost,
  }));
  const [first, ...rest] = moved;
  if (first === undefined) throw new Error("no truth is known");
  return rest.reduce((best, truth) => (truth.boundNs < best.boundNs ? truth : best), first);
}

/** PCI vendor and device of ivshmem. */
const findPage = `for device in /sys/bus/pci/devices/*; do
  read vendor <$device/vendor; read id <$device/device
  [ $vendor$id != 0x1af40x1110 ] || { echo 1 >$device/enable; echo $device/resource2; }
done`;

/** Moments while `work` was done, and its result. */
export async function truthDuring<T>(
  guest: Guest,
  program: string,
  work: () => Promise<T>,
): Promise<{ result: T; truths: Truth[] }> {
  const before = await counterDifference(guest, program);
  const here = Bun.spawn([program, "-", "pairs", `${longestS}`], { stdout: "pipe" });
  let said = "";
  const heard = (async () => {
    for await (const chunk of here.stdout) said += Buffer.from(chunk).toString();
  })();
  /** A moment of the guest counts that lies between two of ours. */
  const hasOneSince = (mono: bigint): Promise<void> =>
    eventually(
      () => pairsIn(said).some(({ raw }) => raw >= mono),
      "this machine tells its clock",
      () => said.slice(-200),
    );
  let result: T;
  try {
    await hasOneSince(0n);
    const inGuest = await guest.spawn(`exec /bin/tsc-page - pairs ${longestS} >${pairsPath}`);
    result = await work();
    await guest.run(`until [ "$(wc -l <${pairsPath})" -gt 0 ]; do usleep 50000; done`);
    await inGuest.kill();
    const now = new ClockReading();
    now.take();
    await hasOneSince(now.at("mono_raw"));
  } finally {
    here.kill();
  }
  await heard;
  const after = await counterDifference(guest, program);
  const ahead = { low: Math.min(before.low, after.low), high: Math.max(before.high, after.high) };
  const theirs = pairsIn(await guest.text(`cat ${pairsPath}`));
  return { result, truths: truthsOf(theirs, pairsIn(said), ahead) };
}

const pairsPath = `${guestFolder}/pairs`;

/** Against hanging only. */
const longestS = 600;

/** `width`: ticks. */
type Pair = { tsc: bigint; raw: bigint; width: number };

/** Lines that are whole. */
function pairsIn(text: string): Pair[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const [tsc = 0n, raw = 0n, width = 0n] = numbersIn(line);
      return { tsc, raw, width: Number(width) };
    });
}

/** `ahead`: ticks. */
function truthsOf(theirs: readonly Pair[], ours: readonly Pair[], ahead: { low: number; high: number }): Truth[] {
  const middle = BigInt(Math.round((ahead.low + ahead.high) / 2));
  return theirs.flatMap(({ tsc, raw, width }): Truth[] => {
    const then = tsc - middle;
    const index = ours.findLastIndex((pair) => pair.tsc <= then);
    const [before, after] = [ours[index], ours[index + 1]];
    if (before === undefined || after === undefined) return [];
    const nsPerTick = Number(after.raw - before.raw) / Number(after.tsc - before.tsc);
    const host = before.raw + BigInt(Math.round(Number(then - before.tsc) * nsPerTick));
    const ticks = width + (ahead.high - ahead.low) / 2 + Math.max(before.width, after.width);
    return [{ guestTime: Number(raw), offset: Number(host - raw), boundNs: ticks * nsPerTick + 1 }];
  });
}

/** A microsecond or two, whatever the processor. The two programs end when that much is known. */
const wantedTicks = 4_000;

let runs = 0;

async function counterDifference(guest: Guest, program: string): Promise<{ low: number; high: number }> {
  const path = await pageIn(guest);
  const words = [`${longestS}`, `${wantedTicks}`, `${++runs}`];
  const host = Bun.spawn([program, `${guest.directory}.page`, "host", ...words], { stdout: "pipe" });
  try {
    await guest.run(`/bin/tsc-page ${path} guest ${words.join(" ")}`, { timeoutMs: longestS * 1000 });
  } catch (error) {
    host.kill();
    throw error;
  }
  const said = await new Response(host.stdout).text();
  if ((await host.exited) !== 0) throw new Error(`${program}: exit code ${host.exitCode}`);
  const [low = 0n, high = 0n] = numbersIn(said);
  // QEMU corrects a guest's counter that would run backwards, by 0.4 us.
  return { low: Number(low < high ? low : high), high: Number(low < high ? high : low) };
}

const pages = new WeakMap<Guest, Promise<string>>();

/** Path of the page in the guest. */
function pageIn(guest: Guest): Promise<string> {
  let path = pages.get(guest);
  if (path === undefined) pages.set(guest, (path = guest.text(findPage)));
  return path;
}

function numbersIn(text: string): bigint[] {
  return text.trim().split(/\s+/).map(BigInt);
}
