/** What /proc tells about a process that is measured. */
import { readdirSync, readFileSync } from "node:fs";
import { type Child, endOf } from "./child.ts";

/** Voluntary context switches of each thread, by thread id. */
function switchesByThread(pid: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const text = readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1");
      counts.set(thread, Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(text)?.[1] ?? 0));
    } catch {
      // It ended meanwhile.
    }
  }
  return counts;
}

/** How often all threads together gave up their CPU per second, over `seconds`. */
export async function switchesPerSecond(pid: number, seconds: number): Promise<number> {
  const before = switchesByThread(pid);
  const begin = performance.now();
  await Bun.sleep(seconds * 1000);
  const after = switchesByThread(pid);
  const wallSeconds = (performance.now() - begin) / 1000;
  let count = 0;
  for (const [thread, switches] of after) count += switches - (before.get(thread) ?? 0);
  return count / wallSeconds;
}

/** Resident memory in bytes: all of it, the most of it that there was, and the anonymous part that cannot be given back. */
export function residentBytes(pid: number): { all: number; most: number; anonymous: number } {
  const text = readFileSync(`/proc/${pid}/status`, "latin1");
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(text)?.[1] ?? Number.NaN) * 1024;
  return { all: field("VmRSS"), most: field("VmHWM"), anonymous: field("RssAnon") };
}

/** How long a child that can no longer be looked at may take to be known as ended. */
const endKnownMs = 5000;

/** The same of a child; of one that has ended the error tells how, and what it said. Its errors must not be read elsewhere. */
export async function residentBytesOf(child: Child): Promise<ReturnType<typeof residentBytes>> {
  try {
    const resident = residentBytes(child.pid);
    // One that has ended and is not waited for yet has no memory.
    if (Number.isFinite(resident.anonymous)) return resident;
  } catch (error) {
    const ended = await Promise.race([child.exited.then(() => true), Bun.sleep(endKnownMs).then(() => false)]);
    if (!ended) throw error;
  }
  throw new Error(`the program that is measured has ended: ${await endOf(child)}`);
}
