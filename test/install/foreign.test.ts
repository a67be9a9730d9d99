/** install and uninstall beside what others made, and what was changed by hand: nothing of it is lost without a word. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { ImageRoot } from "../../src/install/image-root.ts";
import { findInitramfsMakers, install, uninstall } from "../../src/install/install.ts";
import { executable } from "../support/agent-process.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const base = mkdtempSync(`${tmpdir()}/ta-foreign-`);
afterAll(() => rmSync(base, { recursive: true }));
let count = 0;

/** A tree with this mark of an init, and the program to install, which is small. */
function place(mark: string): { tree: string; root: ImageRoot; program: string } {
  const tree = `${base}/tree-${++count}`;
  put(`${tree}/${mark}`, "");
  const program = `${base}/program`;
  writeFileSync(program, '\x7fELF, written by "trace-agent install"');
  return { tree, root: new ImageRoot(tree), program };
}

function put(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

const all = (tree: string): string[] =>
  readdirSync(tree, { recursive: true, encoding: "utf8" })
    .filter((name) => !lstatSync(`${tree}/${name}`).isDirectory())
    .sort();

const systemd = "usr/lib/systemd/systemd";
const unit = "etc/systemd/system/trace-agent.service";
const bin = "usr/local/bin/trace-agent";
const kernelAgent = "\x7fELF the kernel's own agent";

function run(...args: string[]): { code: number; stderr: string } {
  const { exitCode, stderr } = Bun.spawnSync([executable, ...args]);
  return { code: exitCode, stderr: stderr.toString() };
}

describe("another program of our name", () => {
  test.each([
    ["the kernel's agent", kernelAgent],
    ["a script that runs it", '#!/bin/sh\n# written by "trace-agent install"\nexec /opt/trace-agent "$@"\n'],
  ])("%s is left alone by install and uninstall, which say so", (_, content) => {
    const { tree } = place(systemd);
    put(`${tree}/${bin}`, content);
    const refused = run("install", "--root", tree);
    expect(refused.code).toBe(69);
    expect(refused.stderr).toContain('cannot install: "/usr/local/bin/trace-agent" is there, and another program');
    expect(all(tree)).toEqual([systemd, bin].sort());
    const left = run("uninstall", "--root", tree);
    expect(left).toEqual({
      code: 0,
      stderr:
        "trace-agent: warning: /usr/local/bin/trace-agent: left as it is: trace-agent install did not make it\ntrace-agent: nothing to remove\n",
    });
    expect(readFileSync(`${tree}/${bin}`, "latin1")).toBe(content);
    expect(run("install", "--root", tree, "--force").code).toBe(0);
    expect(readFileSync(`${tree}/${bin}`).equals(readFileSync(executable))).toBe(true);
    expect(run("uninstall", "--root", tree).stderr).toContain("/usr/local/bin/trace-agent: removed");
  });

  test("is replaced by a version of ours, and ours by a newer one", () => {
    const { tree, root, program } = place(systemd);
    put(`${tree}/${bin}`, `\x7fELF${"x".repeat(1024 * 1024 - 20)}written by "trace-agent install", older`);
    expect(install(root, "systemd", program)[0]).toEqual({ path: `/${bin}`, outcome: "changed" });
  });
});

describe("another service of our name", () => {
  test.each([
    ["systemd", systemd, unit],
    ["openrc", "sbin/openrc-run", "etc/init.d/trace-agent"],
    ["sysv", "etc/init.d/rcS", "etc/init.d/S60trace-agent"],
  ] as const)("is left alone under %s, with the links that enable it", (init, mark, script) => {
    const { tree, root, program } = place(mark);
    put(`${tree}/${script}`, "#!/bin/sh\n# somebody else's\n");
    mkdirSync(`${tree}/etc/runlevels/default`, { recursive: true });
    if (init === "openrc") symlinkSync("/etc/init.d/trace-agent", `${tree}/etc/runlevels/default/trace-agent`);
    const before = all(tree);
    expect(() => install(root, init, program)).toThrow(
      `"/${script}" is there, and not as trace-agent install writes it`,
    );
    expect(all(tree)).toEqual(before);
    expect(uninstall(root)).toContainEqual({ path: `/${script}`, outcome: "left", ownership: "foreign" });
    if (init !== "systemd") expect(all(tree)).toEqual(before);
    install(root, init, program, { force: true });
    expect(readFileSync(`${tree}/${script}`, "latin1")).not.toContain("somebody else's");
  });

  test("a directory or a file in the place of a link stops install before it does anything", () => {
    const { tree, root, program } = place("sbin/openrc-run");
    put(`${tree}/etc/runlevels/default/trace-agent`, "");
    expect(() => install(root, "openrc", program)).toThrow(
      '"/etc/runlevels/default/trace-agent" is there, and not a link',
    );
    expect(all(tree).length).toBe(2);
  });
});

describe("a unit that was changed by hand", () => {
  test("is kept by install and uninstall, which say so, until --force", () => {
    const { tree, root, program } = place(systemd);
    install(root, "systemd", program);
    const written = readFileSync(`${tree}/${unit}`, "latin1");
    appendFileSync(`${tree}/${unit}`, "Environment=MINE=1\n");
    const changed = readFileSync(`${tree}/${unit}`, "latin1");
    const again = run("install", "--root", tree);
    expect(again.code).toBe(0);
    expect(again.stderr).toContain(`/${unit}: left as it is: it was changed by hand; --force replaces it`);
    expect(readFileSync(`${tree}/${unit}`, "latin1")).toBe(changed);
    const removed = run("uninstall", "--root", tree);
    expect(removed.stderr).toContain(`/${unit}: left as it is: it was changed by hand; --force removes it`);
    expect(all(tree)).toEqual([unit, systemd]);
    expect(readFileSync(`${tree}/${unit}`, "latin1")).toBe(changed);
    install(root, "systemd", program, { force: true });
    expect(readFileSync(`${tree}/${unit}`, "latin1")).toBe(written);
    // In its middle, too.
    put(`${tree}/${unit}`, written.replace("WatchdogSec=60", "WatchdogSec=0"));
    expect(install(root, "systemd", program).find(({ path }) => path === `/${unit}`)?.outcome).toBe("left");
    expect(uninstall(root, true).every(({ outcome }) => outcome === "removed")).toBe(true);
    expect(all(tree)).toEqual([systemd]);
  });
});

describe("the unit of an agent in the initramfs", () => {
  test("is there only with --early-boot", () => {
    const { tree, root, program } = place(systemd);
    mkdirSync(`${tree}/etc/initramfs-tools`, { recursive: true });
    install(root, "systemd", program);
    expect(all(tree).filter((name) => name.includes("early"))).toEqual([]);
    expect(readFileSync(`${tree}/etc/systemd/system-preset/80-trace-agent.preset`, "latin1")).not.toContain("early");
    install(root, "systemd", program, { early: findInitramfsMakers(root, "systemd") });
    expect(
      all(tree)
        .filter((name) => name.includes("early"))
        .sort(),
    ).toEqual([
      "etc/systemd/system-preset/80-trace-agent-early.preset",
      "etc/systemd/system/multi-user.target.wants/trace-agent-early.service",
      "etc/systemd/system/trace-agent-early.service",
    ]);
    uninstall(root);
    expect(all(tree)).toEqual([systemd]);
  });
});
