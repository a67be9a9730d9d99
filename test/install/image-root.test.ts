/** Files of a tree that is installed into. */
import { afterAll, expect, test } from "bun:test";
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageRoot } from "../../src/install/image-root.ts";

const scratch = mkdtempSync(join(tmpdir(), "trace-agent-root-"));
afterAll(() => rmSync(scratch, { recursive: true }));

test("a file that has another mode than it is to have is written again", () => {
  const tree = mkdtempSync(join(scratch, "mode-"));
  const root = new ImageRoot(tree);
  expect(["text", "text"].map((text) => root.write("/etc/script", text, 0o755))).toEqual(["made", "unchanged"]);
  chmodSync(join(tree, "etc/script"), 0o644);
  expect(root.write("/etc/script", "text", 0o755)).toBe("changed");
  expect(lstatSync(join(tree, "etc/script")).mode & 0o7777).toBe(0o755);
});

test("a file that cannot be written leaves no directory that was made for it", () => {
  const tree = mkdtempSync(join(scratch, "way-"));
  mkdirSync(join(tree, "usr"));
  expect(() => new ImageRoot(tree).copy("/usr/local/bin/x", join(scratch, "missing"), 0o755)).toThrow("cannot write");
  expect(readdirSync(tree, { recursive: true })).toEqual(["usr"]);
});
