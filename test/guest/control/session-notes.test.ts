import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
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
import fc from "fast-check";
import { closeFd, O, openFd } from "../../../ffi/fd.ts";
import { tryLock } from "../../../ffi/lock.ts";
import { headerOf, readNotes } from "../../../src/guest/control/notes-text.ts";
import { SessionNotes } from "../../../src/guest/control/session-notes.ts";

const isRoot = process.geteuid?.() === 0;
let base: string;
let folder: string;
let tracing: string;
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/ta-notes-`);
  folder = `${base}/run`;
  tracing = `${base}/tracing`;
  mkdirSync(tracing);
});
afterEach(() => rmSync(base, { recursive: true }));

const open: SessionNotes[] = [];
afterEach(() => open.splice(0).forEach((notes) => notes.close()));
const make = (boot = "b1", directory = tracing): SessionNotes => {
  const notes = new SessionNotes(directory, boot, folder);
  open.push(notes);
  return notes;
};
const files = (): string[] => (existsSync(folder) ? readdirSync(folder) : []);
/** A session's notes whose process was killed: the lock is gone, the file is not. */
const leave = (boot = "b1", directory = tracing): string => {
  const notes = make(boot, directory);
  notes.add("clock", "local");
  notes.add("events", "irq:irq_handler_exit");
  notes.close();
  const { dev, ino } = statSync(directory);
  return `${folder}/${dev}-${ino}`;
};

describe("the notes of a session", () => {
  test("are in a file of 0600 in a directory of 0700, and only while something must be restored", () => {
    const notes = make();
    expect(notes.takeOver()).toEqual([]);
    expect(files()).toEqual([]);
    notes.add("clock", "local");
    expect(files().length).toBe(1);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(`${folder}/${files()[0]}`).mode & 0o777).toBe(0o600);
    notes.clear();
    expect(files()).toEqual([]);
    notes.add("tracing_on", "1");
    expect(files().length).toBe(1);
  });

  test("are taken over from a process that was killed, and then gone", () => {
    leave();
    const successor = make();
    expect(successor.takeOver()).toEqual([
      { key: "clock", value: "local" },
      { key: "events", value: "irq:irq_handler_exit" },
    ]);
    successor.clear();
    expect(files()).toEqual([]);
  });

  test("of one that lives are left to it, and nobody else may set anything there", () => {
    const first = make();
    first.add("clock", "local");
    const second = make();
    expect(second.takeOver()).toEqual([]);
    expect(() => second.add("clock", "mono")).toThrow("another trace-agent must still restore settings of");
    expect(files().length).toBe(1);
    first.clear();
    second.add("clock", "mono");
    expect(files().length).toBe(1);
  });

  test("of several tracing directories do not meet", () => {
    const other = `${base}/instance`;
    mkdirSync(other);
    const one = make();
    const two = make("b1", other);
    one.add("clock", "local");
    two.add("clock", "mono");
    one.close();
    two.close();
    expect(make().takeOver()).toEqual([{ key: "clock", value: "local" }]);
    expect(make("b1", other).takeOver()).toEqual([{ key: "clock", value: "mono" }]);
  });

  test("of another boot, or of a directory that was removed and made again, are not used, and are removed", () => {
    leave("b0");
    expect(make().takeOver()).toEqual([]);
    expect(files()).toEqual([]);
    const gone = `${base}/instance`;
    mkdirSync(gone);
    leave("b1", gone);
    rmSync(gone, { recursive: true });
    mkdirSync(`${base}/so-that-the-inode-is-another`);
    mkdirSync(gone);
    expect(make("b1", gone).takeOver()).toEqual([]);
    expect(files()).toEqual([]);
  });

  test("are neither read nor written through a link, nor where others may read or write", () => {
    const path = leave();
    const secret = `${base}/secret`;
    // What would be taken, if it were read.
    const text = `${headerOf({ boot: "b1", directory: tracing })}{"key":"clock","value":"mono"}\n`;
    writeFileSync(secret, text, { mode: 0o600 });
    writeFileSync(path, text, { mode: 0o600 });
    expect(make().takeOver()).toEqual([{ key: "clock", value: "mono" }]);
    open.splice(0).forEach((one) => one.close());
    for (const spoil of [
      (): void => symlinkSync(secret, path),
      (): void => linkSync(secret, path),
      (): void => mkdirSync(path),
      (): void => {
        writeFileSync(path, text);
        chmodSync(path, 0o666);
      },
      (): void => {
        writeFileSync(path, text);
        chmodSync(path, 0o640);
      },
      // Of another user, which root alone can make.
      (): void => {
        writeFileSync(path, text, { mode: 0o600 });
        if (isRoot) chownSync(path, 65_534, 65_534);
        else chmodSync(path, 0o604);
      },
    ]) {
      rmSync(path, { recursive: true, force: true });
      spoil();
      const made = make();
      expect(made.takeOver()).toEqual([]);
      made.add("clock", "local");
      made.clear();
      expect(readFileSync(secret, "utf8")).toBe(text);
    }
    rmSync(folder, { recursive: true });
    mkdirSync(`${base}/elsewhere`);
    symlinkSync(`${base}/elsewhere`, folder);
    const notes = make();
    expect(notes.takeOver()).toEqual([]);
    notes.add("clock", "local");
    expect(readdirSync(`${base}/elsewhere`)).toEqual([]);
  });

  test("that cannot be written keep nothing from being set", () => {
    writeFileSync(folder, "");
    const notes = make();
    expect(notes.takeOver()).toEqual([]);
    notes.add("clock", "local");
    notes.clear();
  });

  test("that somebody locks stay where they are", () => {
    const path = leave();
    const fd = openFd(path, O.RDWR);
    expect(tryLock(fd)).toBe(true);
    expect(make().takeOver()).toEqual([]);
    expect(existsSync(path)).toBe(true);
    closeFd(fd);
    expect(make().takeOver().length).toBe(2);
  });
});

describe("readNotes()", () => {
  const header = { boot: "b", directory: "/t" };
  const text = `${headerOf(header)}{"key":"clock","value":"local"}\n{"key":"events","value":"sched"}\n`;

  test("takes the last value of a key, and not the line that was cut by the kill", () => {
    expect(readNotes(`${text}{"key":"clock","value":"mono"}\n{"key":"tracing_on","val`, header)).toEqual([
      { key: "clock", value: "mono" },
      { key: "events", value: "sched" },
    ]);
  });

  test("takes nothing but names of places, whatever stands there", () => {
    const lines = fc.array(fc.oneof(fc.string(), fc.json(), fc.constant('{"key":"__proto__","value":"x"}')));
    fc.assert(
      fc.property(lines, (more) => {
        for (const { key, value } of readNotes(`${text}${more.join("\n")}\n`, header)) {
          expect(key).toMatch(/^[a-z_]+( [\w:-]+)*$/);
          expect(typeof value).toBe("string");
        }
        expect(readNotes(more.join("\n"), header)).toEqual([]);
      }),
    );
  });
});
