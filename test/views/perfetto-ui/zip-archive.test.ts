/** Zip archives as they are, damaged, and made to do harm. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { crc32 } from "node:zlib";
import { openUiFiles } from "../../../src/views/perfetto-ui/ui-files.ts";
import { ZipArchive } from "../../../src/views/perfetto-ui/zip-archive.ts";
import { zipFile, type ZipEntry } from "../../support/zip-file.ts";

const directory = mkdtempSync(`${tmpdir()}/ta-zip-`);
afterAll(() => rmSync(directory, { recursive: true }));

const index: ZipEntry = { name: "index.html", content: "<h1>hello</h1>" };
let files = 0;

function written(bytes: Uint8Array): string {
  const path = `${directory}/${++files}.zip`;
  writeFileSync(path, bytes);
  return path;
}

function textOf(path: string, name: string): string | undefined {
  const archive = openUiFiles(path);
  try {
    const bytes = archive.read(name);
    return bytes === undefined ? undefined : Buffer.from(bytes).toString();
  } finally {
    archive.close();
  }
}

describe("ZipArchive", () => {
  test("gives stored and deflated entries, empty ones too, and undefined for others", () => {
    const path = written(
      zipFile([
        index,
        { name: "v1/", content: "", stored: true },
        { name: "v1/empty", content: "" },
        { name: "v1/a.bin", content: "abc", stored: true },
      ]),
    );
    expect(textOf(path, "index.html")).toBe("<h1>hello</h1>");
    expect(textOf(path, "v1/empty")).toBe("");
    expect(textOf(path, "v1/a.bin")).toBe("abc");
    for (const other of ["v1/", "v1", "nothing", "../index.html", "/index.html", ""])
      expect(textOf(path, other)).toBeUndefined();
  });

  test("is found behind a comment and in an archive of one folder", () => {
    const comment = Buffer.from("PK\x05\x06 a comment that holds the magic of the end");
    const plain = zipFile([{ ...index, name: "perfetto-ui/index.html" }]);
    plain.writeUInt16LE(comment.length, plain.length - 2);
    expect(textOf(written(Buffer.concat([plain, comment])), "index.html")).toBe("<h1>hello</h1>");
  });

  test.each<[string, Uint8Array, string]>([
    ["no zip at all", Buffer.from("no zip"), "it is no zip archive"],
    ["an empty file", Buffer.alloc(0), "it is no zip archive"],
    ["a cut file", zipFile([index]).subarray(0, -1), "it is no zip archive"],
    ["a name that leads up", zipFile([index, { name: "v1/../../etc/x", content: "" }]), 'of the name "v1/../../etc/x"'],
    ["an absolute name", zipFile([index, { name: "/etc/x", content: "" }]), 'of the name "/etc/x"'],
    ["a name of Windows", zipFile([index, { name: "C:\\x", content: "" }]), "of the name"],
    ["a control character", zipFile([index, { name: "a\x1b[2J", content: "" }]), "of the name"],
    ["a NUL", zipFile([index, { name: "a\0b", content: "" }]), "of the name"],
    ["a name without end", zipFile([index, { name: "a".repeat(513), content: "" }]), "of the name"],
    ["a name twice", zipFile([index, index]), "twice"],
    ["an encrypted entry", zipFile([{ ...index, flags: 1 }]), "is encrypted"],
    ["a strange method", zipFile([{ ...index, method: 14 }]), "packed by method 14"],
    ["zip64 sizes", zipFile([{ ...index, bytes: 0xffffffff }]), "zip64"],
    ["a zip64 list", zipFile([index], { end: { 8: 0xffff, 10: 0xffff } }), "zip64"],
    ["a part of several", zipFile([index], { end: { 4: 1 } }), "one part of several"],
    ["more entries than said", zipFile([index, { ...index, name: "b" }], { end: { 8: 1, 10: 1 } }), "list of entries"],
    ["fewer entries than said", zipFile([index], { end: { 8: 2, 10: 2 } }), "list of entries is damaged"],
    ["too many entries", zipFile([index], { end: { 8: 5000, 10: 5000 } }), "more than 4096"],
    ["a huge entry", zipFile([{ ...index, bytes: 0x7fffffff }]), "larger than"],
    ["an entry in the list", zipFile([{ ...index, at: 60 }]), "reaches into the list"],
    ["a list behind the end", zipFile([index], { end: { 16: 0xfff0 } }), "is not where it says"],
  ])("refuses %s when it is opened", (_, bytes, why) => {
    expect(() => new ZipArchive(written(bytes))).toThrow(why);
  });

  test.each<[string, ZipEntry, string]>([
    ["grows beyond its size", { ...index, content: Buffer.alloc(1 << 20), bytes: 1000 }, "is damaged"],
    ["is shorter than its size", { ...index, bytes: 100 }, "is damaged"],
    ["has another checksum", { ...index, crc: crc32("another") }, "is damaged"],
    ["is no deflate data", { ...index, stored: true, method: 8 }, "is damaged"],
    ["has another name in its place", { ...index, ownName: "INDEX.html" }, "another name"],
    ["lies elsewhere", { ...index, at: 1 }, "not where the list says"],
  ])("refuses an entry that %s when it is read", (_, entry, why) => {
    const archive = new ZipArchive(written(zipFile([entry])));
    expect(() => archive.read("index.html")).toThrow(why);
    archive.close();
  });

  test("survives any byte that is changed", () => {
    const whole = zipFile([index, { name: "v1/a.js", content: "alert(1)" }]);
    for (let at = 0; at < whole.length; at++)
      for (const value of [0, 0xff, (whole[at] ?? 0) ^ 1]) {
        const bytes = Buffer.from(whole);
        bytes[at] = value;
        writeFileSync(`${directory}/changed.zip`, bytes);
        try {
          const archive = new ZipArchive(`${directory}/changed.zip`);
          try {
            for (const name of archive.names) archive.read(name);
          } finally {
            archive.close();
          }
        } catch (error) {
          expect((error as Error).message).toStartWith(`cannot use "${directory}/changed.zip": `);
        }
      }
  });
});

describe("openUiFiles()", () => {
  test("says what is no UI", () => {
    expect(() => openUiFiles(written(zipFile([{ ...index, name: "a/b" }])))).toThrow("it has no index.html");
    expect(() => openUiFiles(directory)).toThrow("it has no index.html");
    expect(() => openUiFiles(`${directory}/nowhere`)).toThrow("cannot open");
    expect(() => openUiFiles("/dev/null")).toThrow("not a regular file");
  });

  test("gives the files of a directory, and follows no link in it", () => {
    const place = `${directory}/ui`;
    mkdirSync(`${place}/v1/assets`, { recursive: true });
    writeFileSync(`${place}/index.html`, "start");
    writeFileSync(`${place}/v1/assets/a.css`, "style");
    writeFileSync(`${directory}/secret`, "secret");
    symlinkSync("../secret", `${place}/link`);
    symlinkSync("..", `${place}/up`);
    expect(textOf(place, "index.html")).toBe("start");
    expect(textOf(place, "v1/assets/a.css")).toBe("style");
    for (const other of ["link", "up/secret", "../secret", "v1", "v1/../index.html"])
      expect(textOf(place, other)).toBeUndefined();
  });
});
