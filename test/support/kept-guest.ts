/**
 * Guests that were booted once are kept in the cache, as the state of their machine (QMP `migrate` to a file), and restored
 * (`-incoming`) instead of booted again.
 *
 * A kept guest has come up to its command loop and done nothing else. It holds no file of a test: those come with the restore,
 * on a disk, so that a change of the program under test discards nothing. It is kept under a hash of all that made it: the
 * machine's arguments, QEMU, kernel and initramfs. Where its host ends lie and of what kind they are is no part of that.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../ffi/static/cache.ts";
import { takeLock } from "./lock.ts";
import type { QemuProcess } from "./qemu-process.ts";

/** Counted up when what is kept changes in a way that the hash does not see. */
const formatVersion = 1;
/** Together they may take so much space; those that were not used for longest go first. */
const keptBytesMax = 4 * 2 ** 30;
/** A state of a guest of 1 GiB is written in a second. */
const saveTimeoutMs = 300_000;

export type KeptGuest = { state: string; console: string };
type Description = { bytes: number; hash: string; console: string };

/** The hash of what makes a guest: any strings. */
export function keptName(parts: readonly string[]): string {
  return createHash("sha256")
    .update(JSON.stringify([formatVersion, ...parts]))
    .digest("hex")
    .slice(0, 24);
}

/** The guest kept under that name; undefined when there is none that is whole. */
export function findKept(name: string): KeptGuest | undefined {
  const { state, description } = pathsOf(name);
  try {
    const { bytes, hash, console } = JSON.parse(readFileSync(description, "utf8")) as Description;
    const content = readFileSync(state);
    if (content.byteLength !== bytes || hashOf(content) !== hash) return undefined;
    const now = new Date();
    utimesSync(state, now, now);
    return { state, console };
  } catch {
    return undefined;
  }
}

/** The guest kept under that name; when there is none, `make` boots one, which is ended. One process makes it, others wait. */
export async function keptGuest(
  name: string,
  make: (env: Record<string, string>) => Promise<QemuProcess>,
): Promise<KeptGuest> {
  const found = findKept(name);
  if (found !== undefined) return found;
  const lock = await takeLock(`${pathsOf(name).state}.lock`);
  try {
    const madeMeanwhile = findKept(name);
    if (madeMeanwhile !== undefined) return madeMeanwhile;
    makeRoom();
    const fresh = `${pathsOf(name).state}.${process.pid}`;
    try {
      const qemu = await make({ [pathVariable]: fresh });
      try {
        await save(qemu, `${fresh}.whole`);
        return keep(name, `${fresh}.whole`, qemu.consoleText());
      } finally {
        await qemu.kill();
      }
    } finally {
      rmSync(fresh, { force: true });
      rmSync(`${fresh}.whole`, { force: true });
    }
  } finally {
    lock.release();
  }
}

/** For one that does not come back to life. */
export function dropKept(name: string): void {
  const { state, description } = pathsOf(name);
  rmSync(description, { force: true });
  rmSync(state, { force: true });
}

/** QEMU's shell finds the path of the state in its environment: no path is read as anything else. */
const pathVariable = "TRACE_AGENT_KEPT_GUEST";
const saveUri = `exec:cat >"$${pathVariable}" && mv "$${pathVariable}" "$${pathVariable}.whole"`;
export const incomingArguments = ["-incoming", `exec:cat "$${pathVariable}"`];
export const incomingEnvironment = (kept: KeptGuest): Record<string, string> => ({ [pathVariable]: kept.state });

/** Of a QEMU that was started with `incomingArguments`: resolves when its guest runs. */
export async function resume(qemu: QemuProcess): Promise<void> {
  // A broken state ends QEMU, and with it this call.
  while ((await statusOf(qemu, "query-status")) === "inmigrate") await Bun.sleep(5);
  await qemu.qmp.execute("cont");
}

async function save(qemu: QemuProcess, target: string): Promise<void> {
  // What the kernel cached need not be kept.
  await qemu.commands.run("sync; echo 3 >/proc/sys/vm/drop_caches", saveTimeoutMs);
  await qemu.qmp.execute("stop");
  await qemu.qmp.execute("migrate-set-parameters", { "max-bandwidth": 2 ** 40 });
  await qemu.qmp.execute("migrate", { uri: saveUri });
  const deadline = performance.now() + saveTimeoutMs;
  while (!existsSync(target)) {
    const status = await statusOf(qemu, "query-migrate");
    if (status === "failed" || performance.now() > deadline)
      throw new Error(`the state of the guest was not saved: ${status}`);
    await Bun.sleep(10);
  }
}

async function statusOf(qemu: QemuProcess, query: "query-status" | "query-migrate"): Promise<string> {
  return ((await qemu.qmp.execute(query)) as { status: string }).status;
}

function keep(name: string, whole: string, console: string): KeptGuest {
  const { state, description } = pathsOf(name);
  const content = readFileSync(whole);
  const text: Description = { bytes: content.byteLength, hash: hashOf(content), console };
  const fresh = `${description}.${process.pid}`;
  writeFileSync(fresh, JSON.stringify(text));
  renameSync(whole, state);
  renameSync(fresh, description);
  return { state, console };
}

/** A file that was cut or damaged must not come to life. */
function hashOf(content: Uint8Array): string {
  return Bun.hash(content).toString(16);
}

function pathsOf(name: string): { state: string; description: string } {
  const base = join(cacheFolder("kept-guests"), name);
  return { state: `${base}.state`, description: `${base}.json` };
}

function makeRoom(): void {
  const folder = cacheFolder("kept-guests");
  const states = readdirSync(folder)
    .filter((file) => file.endsWith(".state"))
    .map((file) => describe(folder, file))
    .sort((a, b) => b.usedMs - a.usedMs);
  // What a process left that was killed while it saved.
  for (const file of readdirSync(folder)) {
    const path = join(folder, file);
    if (/\.\d+(\.whole)?$/.test(file) && Date.now() - statSync(path).mtimeMs > 10 * saveTimeoutMs)
      rmSync(path, { force: true });
  }
  let sum = 0;
  for (const { name, bytes } of states) {
    sum += bytes;
    if (sum > keptBytesMax) dropKept(name);
  }
}

function describe(folder: string, file: string): { name: string; bytes: number; usedMs: number } {
  const { size, mtimeMs } = statSync(join(folder, file));
  return { name: file.slice(0, -".state".length), bytes: size, usedMs: mtimeMs };
}
