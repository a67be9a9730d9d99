/** Files of a tree that is installed into. */
import { expect, test } from "bun:test";
import { chmodSync, lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageRoot } from "../../src/install/image-root.ts";

test("a file that has another mode than it is to have is written again", () => {
  const tree = mkdtempSync(join(tmpdir(), "trace-agent-root-"));
  try {
    const root = new ImageRoot(tree);
    expect(["text", "text"].map((text) => root.write("/etc/script", text, 0o755))).toEqual(["made", "unchanged"]);
    chmodSync(join(tree, "etc/script"), 0o644);
    expect(root.write("/etc/script", "text", 0o755)).toBe("changed");
    expect(lstatSync(join(tree, "etc/script")).mode & 0o7777).toBe(0o755);
  } finally {
    rmSync(tree, { recursive: true });
  }
});
