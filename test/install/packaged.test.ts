/** `install` beside a copy of a package, and what install and cloud-init warn of. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { traceAgent } from "../support/recorder-process.ts";

const scratch = mkdtempSync(join(tmpdir(), "trace-agent-packaged-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let tree = "";
let count = 0;
beforeEach(() => {
  tree = join(scratch, `tree-${count++}`);
  mkdirSync(join(tree, "etc/init.d"), { recursive: true });
});

function put(path: string, content = ""): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), content);
}
const isInstalled = (): boolean => existsSync(join(tree, "usr/local/bin/trace-agent"));

describe("trace-agent install", () => {
  test("refuses to shadow a packaged copy, names its package, and does it with --force", async () => {
    put("usr/bin/trace-agent", "a program");
    // As on a system whose /bin became a link: dpkg knows the old path.
    put("var/lib/dpkg/info/other.list", "/.\n/bin\n/bin/other\n");
    put("var/lib/dpkg/info/trace-agent-tools:amd64.list", "/.\n/bin\n/bin/trace-agent\n");
    const { code, stderr } = await traceAgent("install", "--root", tree);
    expect(stderr).toContain(
      'cannot install: "/usr/bin/trace-agent" is there, of package "trace-agent-tools", and /usr/local/bin/trace-agent would come before it',
    );
    expect({ code, installed: isInstalled() }).toEqual({ code: 69, installed: false });
    expect((await traceAgent("install", "--root", tree, "--force")).code).toBe(0);
    expect(isInstalled()).toBe(true);
  });

  test("refuses to shadow one that no package has, and takes a link to its own for none", async () => {
    put("usr/sbin/trace-agent", "a program");
    const { code, stderr } = await traceAgent("install", "--root", tree);
    expect({ code, said: stderr.includes("remove it first, or install all the same with --force") }).toEqual({
      code: 69,
      said: true,
    });
    rmSync(join(tree, "usr/sbin/trace-agent"));
    symlinkSync("/usr/local/bin/trace-agent", join(tree, "usr/sbin/trace-agent"));
    for (let round = 0; round < 2; round++) expect((await traceAgent("install", "--root", tree)).code).toBe(0);
  });

  test("says that nothing starts it in a tree without an init", async () => {
    expect((await traceAgent("install", "--root", tree)).stderr).not.toContain("nothing starts it");
    rmSync(join(tree, "etc"), { recursive: true });
    const { code, stderr } = await traceAgent("install", "--root", tree);
    expect({ code, warned: /warn.*nothing starts it: .* has no init that is known/.test(stderr) }).toEqual({
      code: 0,
      warned: true,
    });
  });
});

describe("trace-agent cloud-init", () => {
  test("warns of a URL without encryption, on stderr alone", async () => {
    const sum = ["--sha256", "0".repeat(64)];
    const plain = await traceAgent("cloud-init", "--url", "http://files.example/trace-agent", ...sum);
    expect(plain.stderr).toContain("is fetched without encryption");
    expect(plain.stdout).toStartWith("#cloud-config\n");
    const safe = await traceAgent("cloud-init", "--url", "https://files.example/trace-agent", ...sum);
    expect({ code: safe.code, stderr: safe.stderr }).toEqual({ code: 0, stderr: "" });
  });
});
