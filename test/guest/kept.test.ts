/** Guests that are kept and restored: each is one of its own, and a state that is broken is not used. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../../ffi/static/cache.ts";
import { guestTestTimeoutMs } from "../support/describe-guest.ts";
import { bootGuest, whyNoGuest } from "../support/guest.ts";
import type { Guest } from "../support/guest-handle.ts";
import { dropKept, findKept } from "../support/kept-guest.ts";

const reason = await whyNoGuest("6.12");
if (reason !== undefined) console.log(`skipped: guests that are kept: ${reason}`);

/** A cache without kept guests, with the packages of the real one. */
const cache = mkdtempSync(join(tmpdir(), "trace-agent-cache-"));
symlinkSync(cacheFolder("guest"), join(cache, "guest"));
const kept = join(cache, "kept-guests");
mkdirSync(kept);
const realCache = process.env["TRACE_AGENT_CACHE"];
process.env["TRACE_AGENT_CACHE"] = cache;
afterAll(() => {
  if (realCache === undefined) delete process.env["TRACE_AGENT_CACHE"];
  else process.env["TRACE_AGENT_CACHE"] = realCache;
  rmSync(cache, { recursive: true, force: true });
});

const states = (): string[] => readdirSync(kept).filter((name) => name.endsWith(".state"));
const start = (): Promise<Guest> => bootGuest({ kernel: "6.12", cpus: 1, files: { "/etc/given": import.meta.path } });

describe.skipIf(reason !== undefined)("a kept guest", () => {
  test(
    "is restored with the files of the test, the time of day and a boot id of its own; a broken one is booted again",
    async () => {
      const identity = "cat /proc/sys/kernel/random/boot_id; cat /etc/given | wc -c; date +%s";
      const look = async (): Promise<{ bootId: string; console: string }> => {
        const before = Math.floor(Date.now() / 1000);
        await using guest = await start();
        const [bootId = "", size, seconds] = (await guest.text(identity)).split("\n");
        expect(Number(size)).toBe(statSync(import.meta.path).size);
        // It is given the time after it was asked for, rounded.
        expect(Number(seconds)).toBeGreaterThanOrEqual(before);
        expect(Number(seconds)).toBeLessThanOrEqual(Date.now() / 1000 + 1);
        return { bootId, console: guest.console() };
      };
      const first = await look();
      const [file = ""] = states();
      const { ino } = statSync(join(kept, file));
      const second = await look();
      expect(statSync(join(kept, file)).ino).toBe(ino);
      expect(second.bootId).not.toBe(first.bootId);
      // What it said when it was booted is there.
      expect(second.console).toContain("Linux version 6.12");

      // Whole by its sum, and yet nothing that QEMU takes.
      const nonsense = Buffer.alloc(100_000, 0x55);
      writeFileSync(join(kept, file), nonsense);
      const description = join(kept, file.replace(".state", ".json"));
      const described = JSON.parse(readFileSync(description, "utf8")) as object;
      const sum = { bytes: nonsense.length, hash: Bun.hash(nonsense).toString(16) };
      writeFileSync(description, JSON.stringify({ ...described, ...sum }));
      await look();
      expect(states()).toEqual([file]);
      expect(statSync(join(kept, file)).size).toBeGreaterThan(10 * 2 ** 20);
    },
    2 * guestTestTimeoutMs,
  );
});

test("a state that was cut or changed, or is not described, is not found", () => {
  const state = Buffer.from("a state of a machine");
  const description = { bytes: state.length, hash: Bun.hash(state).toString(16), console: "" };
  const write = (bytes: Uint8Array, text: string): void => {
    writeFileSync(join(kept, "x.state"), bytes);
    writeFileSync(join(kept, "x.json"), text);
  };
  write(state, JSON.stringify(description));
  expect(findKept("x")).toEqual({ state: join(kept, "x.state"), console: "" });
  write(state.subarray(0, -1), JSON.stringify(description));
  expect(findKept("x")).toBeUndefined();
  write(Buffer.from("a state of a Machine"), JSON.stringify(description));
  expect(findKept("x")).toBeUndefined();
  write(state, "{");
  expect(findKept("x")).toBeUndefined();
  dropKept("x");
  expect(findKept("x")).toBeUndefined();
  expect(states()).not.toContain("x.state");
});
