/** Symbols that are kept: given back as they were, and nothing else, whatever lies in their directory. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { hostLimits } from "../../../src/host/limits.ts";
import { SymbolCache, symbolCachePath, type SymbolsKey } from "../../../src/host/run/symbol-cache.ts";
import { whyNoSmallDisk, withSmallDisk } from "../../support/small-disk.ts";
import { testUnless } from "../../support/test-unless.ts";

const key: SymbolsKey = { guest: "/run/vm", bootId: "b", modules: "m", kptrRestrict: "0", printkBytes: 7 };
const body = Buffer.from('{"version":2}\n{"end":true}\n');
const reasonNoDisk = whyNoSmallDisk();
const reasonNotRoot = process.geteuid?.() === 0 ? undefined : "only root gives a directory away";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/symbol-cache-`);
  path = `${folder}/cache`;
});
afterEach(() => rmSync(folder, { recursive: true }));

async function using<T>(work: (cache: SymbolCache) => T | Promise<T>): Promise<T> {
  const cache = SymbolCache.open(path);
  if (cache === undefined) throw new Error(`no cache in ${path}`);
  try {
    return await work(cache);
  } finally {
    cache.close();
  }
}

const write = async (which: SymbolsKey = key, bytes: Uint8Array = body): Promise<void> =>
  using(async (cache) => cache.write(which, bytes));
const read = async (which: SymbolsKey = key): Promise<string | undefined> =>
  using((cache) => {
    const bytes = cache.read(which);
    return bytes === undefined ? undefined : Buffer.from(bytes).toString();
  });
const onlyFile = (): string => `${path}/${readdirSync(path)[0] ?? "none"}`;

describe("the cache of symbols", () => {
  test("gives back what was kept under the same key, in files of our own", async () => {
    expect(await read()).toBeUndefined();
    await write();
    expect(await read()).toBe(body.toString());
    await write(key, Buffer.from("later"));
    expect(await read()).toBe("later");
    expect([statSync(path).mode & 0o777, statSync(onlyFile()).mode & 0o777]).toEqual([0o700, 0o600]);
    expect(readdirSync(path)).toHaveLength(1);
  });

  test.each([
    { guest: "/run/other" },
    { bootId: "c" },
    { modules: "" },
    { kptrRestrict: "1" },
    { printkBytes: 8 },
  ] satisfies Partial<SymbolsKey>[])("gives nothing under another key: %p", async (other) => {
    await write();
    expect(await read({ ...key, ...other })).toBeUndefined();
    // Nor where the file bears the other's name.
    const from = onlyFile();
    await write({ ...key, ...other });
    const names = readdirSync(path).map((name) => `${path}/${name}`);
    const to = names.find((name) => name !== from) ?? "";
    writeFileSync(to, readFileSync(from));
    expect(await read({ ...key, ...other })).toBeUndefined();
  });

  test.each([
    ["cut", (file: string): void => truncateSync(file, statSync(file).size - 3)],
    ["empty", (file: string): void => truncateSync(file, 0)],
    ["no longer packed", (file: string): void => writeFileSync(file, `${firstLine(file)}\nabc`)],
    ["of other bytes than it says", (file: string): void => flip(file, '"sum":"')],
    ["larger than it says", (file: string): void => replace(file, '"bytes":27', '"bytes":26')],
    ["larger than anything we keep", (file: string): void => replace(file, '"bytes":27', '"bytes":99999999999')],
    ["without a first line", (file: string): void => writeFileSync(file, "x".repeat(100_000))],
    ["a first line of brackets", (file: string): void => writeFileSync(file, `${"[".repeat(4000)}\n`)],
    ["larger than a file of it may be", (file: string): void => truncateSync(file, 17 * 2 ** 20)],
    ["a link", replaceByLink],
    ["a directory", replaceByDirectory],
  ])("gives nothing where its file is %s", async (_, damage) => {
    await write();
    damage(onlyFile());
    expect(await read()).toBeUndefined();
  });

  test("drops the oldest when all together would be too much, and leaves what is not its own", async () => {
    await write({ ...key, guest: "/run/a" });
    const old = onlyFile();
    utimesSync(old, 1000, 1000);
    await write({ ...key, guest: "/run/b" });
    const newer = readdirSync(path).find((name) => !old.endsWith(name)) ?? "";
    truncateSync(`${path}/${newer}`, hostLimits.symbolCacheBytes - statSync(old).size - 10);
    writeFileSync(`${path}/note`, "of somebody");
    await write({ ...key, guest: "/run/c" });
    expect(existsSync(old)).toBe(false);
    expect(readdirSync(path)).toHaveLength(3);
    expect(existsSync(`${path}/note`)).toBe(true);
    await write({ ...key, guest: "/run/d" }, Buffer.from(crypto.getRandomValues(new Uint8Array(4096))));
    expect(existsSync(`${path}/${newer}`)).toBe(false);
    expect(await read({ ...key, guest: "/run/c" })).toBe(body.toString());
  });

  test("keeps the two newest of a guest, and what others have, however often that guest is another one", async () => {
    const other = { ...key, guest: "/run/other" };
    await write(other);
    for (const bootId of ["1", "2", "3", "4"]) {
      makeOlder();
      await write({ ...key, bootId }, Buffer.from(bootId));
    }
    const kept = await Promise.all(["1", "2", "3", "4"].map((bootId) => read({ ...key, bootId })));
    expect(kept).toEqual([undefined, undefined, "3", "4"]);
    expect(await read(other)).toBe(body.toString());
  });

  test("holds what recorders keep at the same time, and no more than its bound then", async () => {
    await write();
    truncateSync(onlyFile(), hostLimits.symbolCacheBytes - 20_000);
    makeOlder();
    // Of each its own, as a recorder of its own has it.
    const guests = ["/run/a", "/run/b", "/run/c", "/run/d", "/run/a"];
    const bodies = guests.map((guest) => Buffer.from(guest + hexOf(16_000)));
    await Promise.all(guests.map(async (guest, index) => write({ ...key, guest }, bodies[index])));
    const files = readdirSync(path);
    expect(files).toHaveLength(4);
    const bytes = files.reduce((sum, name) => sum + statSync(`${path}/${name}`).size, 0);
    expect(bytes).toBeLessThan(hostLimits.symbolCacheBytes);
    for (const guest of guests) expect(await read({ ...key, guest })).toStartWith(guest);
  });

  test("drops what an earlier version kept, when it is the oldest", async () => {
    await write();
    const earlier = `${path}/symbols-${"0".repeat(32)}`;
    writeFileSync(earlier, "");
    truncateSync(earlier, hostLimits.symbolCacheBytes);
    utimesSync(earlier, 1000, 1000);
    await write({ ...key, guest: "/run/b" });
    expect(existsSync(earlier)).toBe(false);
    expect(await read()).toBe(body.toString());
  });

  test.skipIf(reasonNotRoot !== undefined)("is not in a directory of another user", () => {
    mkdirSync(path, { mode: 0o755 });
    chownSync(path, 12_345, 12_345);
    expect(SymbolCache.open(path)).toBeUndefined();
  });

  test("is not in a directory that others may write to, behind a link, or where none can be made", () => {
    mkdirSync(path, { mode: 0o700 });
    chmodSync(path, 0o777);
    expect(SymbolCache.open(path)).toBeUndefined();
    chmodSync(path, 0o700);
    symlinkSync(path, `${folder}/link`);
    expect(SymbolCache.open(`${folder}/link`)).toBeUndefined();
    expect(SymbolCache.open(`${folder}/none/cache`)).toBeUndefined();
    expect(SymbolCache.open("/proc/trace-agent")).toBeUndefined();
    writeFileSync(`${folder}/file`, "");
    expect(SymbolCache.open(`${folder}/file`)).toBeUndefined();
  });

  test("keeps nothing, and is no error, where nothing can be written any more", async () => {
    await using(async (cache) => {
      rmSync(path, { recursive: true });
      await cache.write(key, body);
      expect(cache.read(key)).toBeUndefined();
    });
  });

  testUnless(reasonNoDisk, "keeps what it has on a disk that is full, or can only be read", async () => {
    await withSmallDisk("64k", async (disk) => {
      path = `${disk}/cache`;
      await write();
      await write({ ...key, guest: "/run/b" }, Buffer.from(hexOf(200_000)));
      expect(await read({ ...key, guest: "/run/b" })).toBeUndefined();
      expect(readdirSync(path)).toHaveLength(1);
      expect(await read()).toBe(body.toString());
      expect(spawnSync("mount", ["-o", "remount,ro", disk]).status).toBe(0);
      await write({ ...key, guest: "/run/b" });
      expect(await read({ ...key, guest: "/run/b" })).toBeUndefined();
      expect(await read()).toBe(body.toString());
      path = `${disk}/none`;
      expect(SymbolCache.open(path)).toBeUndefined();
    });
  });
});

describe("the place of the cache", () => {
  test.each([
    [{}, 0, "/var/cache/trace-agent"],
    [{ HOME: "/root", XDG_CACHE_HOME: "/tmp" }, 0, "/var/cache/trace-agent"],
    [{ CACHE_DIRECTORY: "/var/cache/a:/var/cache/b" }, 0, "/var/cache/a"],
    [{ CACHE_DIRECTORY: "a" }, 0, "/var/cache/trace-agent"],
    [{ HOME: "/home/u" }, 1000, "/home/u/.cache/trace-agent"],
    [{ HOME: "/home/u", XDG_CACHE_HOME: "/c" }, 1000, "/c/trace-agent"],
    [{ HOME: "/home/u", XDG_CACHE_HOME: "c" }, 1000, "/home/u/.cache/trace-agent"],
    [{}, 1000, undefined],
  ])("with %p for user %d is %p", (env, uid, place) => {
    expect(symbolCachePath(env, uid)).toBe(place);
  });
});

/** All that is there was written an hour earlier. */
function makeOlder(): void {
  for (const name of readdirSync(path)) {
    const writtenS = statSync(`${path}/${name}`).mtimeMs / 1000 - 3600;
    utimesSync(`${path}/${name}`, writtenS, writtenS);
  }
}

/** Of random bytes: it is packed to half of it. */
function hexOf(bytes: number): string {
  return randomBytes(bytes / 2).toString("hex");
}

function firstLine(file: string): string {
  return readFileSync(file, "latin1").split("\n", 1)[0] ?? "";
}

function replace(file: string, from: string, to: string): void {
  const text = readFileSync(file, "latin1");
  if (!text.includes(from)) throw new Error(`no ${from} in ${firstLine(file)}`);
  writeFileSync(file, Buffer.from(text.replace(from, to), "latin1"));
}

/** Changes the char behind `mark`. */
function flip(file: string, mark: string): void {
  const text = readFileSync(file, "latin1");
  const at = text.indexOf(mark) + mark.length;
  replace(file, text.slice(at - mark.length, at + 1), `${mark}${text[at] === "0" ? "1" : "0"}`);
}

function replaceByLink(file: string): void {
  writeFileSync(`${folder}/elsewhere`, readFileSync(file));
  rmSync(file);
  symlinkSync(`${folder}/elsewhere`, file);
}

function replaceByDirectory(file: string): void {
  rmSync(file);
  mkdirSync(file);
}
