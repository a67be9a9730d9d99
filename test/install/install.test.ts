import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { dracut, initramfsTools } from "../../src/install/early-boot.ts";
import { ImageRoot } from "../../src/install/image-root.ts";
import { findInit, type InitName, initNames } from "../../src/install/init.ts";
import { install, uninstall } from "../../src/install/install.ts";
import { programPath } from "../../src/install/service-files.ts";
import { deviceUnit, systemdEarly } from "../../src/install/systemd.ts";
import { executable } from "../support/agent-process.ts";
import { testUnless, whyNot } from "../support/test-unless.ts";

const scratch = mkdtempSync(join(tmpdir(), "trace-agent-image-"));
const program = join(scratch, "program");
/** A file that is taken for this program, by the text that its executable carries. */
const ours = (content: string): string => `\x7fELF ${content}, written by "trace-agent install"`;
let tree = "";
let count = 0;

beforeEach(() => {
  tree = join(scratch, `tree-${count++}`);
  mkdirSync(tree);
  writeFileSync(program, ours("the program"));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function put(path: string, content = ""): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), content);
}

/** All files and links of the tree, with what they hold and their mode. */
function listing(): string[] {
  return readdirSync(tree, { recursive: true, encoding: "utf8" })
    .map((path) => {
      const status = lstatSync(join(tree, path));
      const held = status.isSymbolicLink()
        ? `-> ${readlinkSync(join(tree, path))}`
        : status.isFile()
          ? readFileSync(join(tree, path), "latin1")
          : "";
      return `${path} ${(status.mode & 0o7777).toString(8)} ${held}`;
    })
    .sort();
}

const marks: Record<Exclude<InitName, "none">, string> = {
  systemd: "usr/lib/systemd/systemd",
  openrc: "sbin/openrc-run",
  sysv: "etc/init.d/rcS",
};

describe("install into a tree", () => {
  for (const [init, mark] of Object.entries(marks)) {
    test(`finds ${init} by its program, writes and enables a service, and is undone by uninstall`, () => {
      put(mark);
      const root = new ImageRoot(tree);
      expect(findInit(root)).toBe(init as InitName);
      const before = listing();
      const made = install(root, init as InitName, program);
      expect(made.map(({ outcome }) => outcome)).toEqual(made.map(() => "made"));
      for (const { path } of made) expect(lstatSync(join(tree, path))).toBeDefined();
      expect(readFileSync(join(tree, "usr/local/bin/trace-agent"), "latin1")).toBe(ours("the program"));
      expect(lstatSync(join(tree, "usr/local/bin/trace-agent")).mode & 0o7777).toBe(0o755);

      const after = listing();
      expect(install(root, init as InitName, program).every(({ outcome }) => outcome === "unchanged")).toBe(true);
      expect(listing()).toEqual(after);

      const removed = uninstall(root);
      expect(removed.map(({ path }) => path).sort()).toEqual(made.map(({ path }) => path).sort());
      expect(removed.every(({ outcome }) => outcome === "removed")).toBe(true);
      expect(listing().filter((entry) => !before.includes(entry) && !entry.endsWith(" 755 "))).toEqual([]);
      expect(uninstall(root)).toEqual([]);
    });
  }

  test("Debian's sysvinit: links in every runlevel, whatever number they got, and a word in the lists of what runs beside what", () => {
    const levels = ["0", "1", "2", "3", "4", "5", "6"];
    for (const level of levels) mkdirSync(join(tree, `etc/rc${level}.d`), { recursive: true });
    const order = "INTERACTIVE = \nTARGETS = dbus cron\ncron: dbus\n";
    put("etc/init.d/.depend.start", order);
    put("etc/init.d/.depend.stop", "TARGETS =\n");
    const root = new ImageRoot(tree);
    const before = listing();
    install(root, "sysv", program);
    const links = (): string[] => levels.flatMap((level) => readdirSync(join(tree, `etc/rc${level}.d`)));
    expect(links()).toEqual(["K01", "K01", "S20", "S20", "S20", "S20", "K01"].map((place) => `${place}trace-agent`));
    expect(readFileSync(join(tree, "etc/rc2.d/S20trace-agent"), "latin1")).toStartWith("#!/bin/sh\n");
    expect(readFileSync(join(tree, "etc/init.d/.depend.start"), "latin1")).toBe(
      order.replace("cron\n", "cron trace-agent\n"),
    );
    expect(readFileSync(join(tree, "etc/init.d/.depend.stop"), "latin1")).toBe("TARGETS = trace-agent\n");

    renameSync(join(tree, "etc/rc2.d/S20trace-agent"), join(tree, "etc/rc2.d/S03trace-agent"));
    expect(install(root, "sysv", program).filter(({ outcome }) => outcome !== "unchanged")).toEqual([]);
    expect(links()[2]).toBe("S03trace-agent");
    uninstall(root);
    expect(listing().filter((entry) => !before.includes(entry) && !entry.endsWith(" 755 "))).toEqual([]);
    expect(before.filter((entry) => !listing().includes(entry))).toEqual([]);
  });

  test("makes directories that everybody may enter, whatever the umask", () => {
    const before = process.umask(0o077);
    try {
      install(new ImageRoot(tree), "systemd", program);
    } finally {
      process.umask(before);
    }
    expect(listing().filter((entry) => entry.endsWith(" 755 "))).toContain("usr/local/bin 755 ");
    expect(listing().filter((entry) => entry.endsWith(" 700 "))).toEqual([]);
  });

  test("runs nothing: a tree whose every program is missing or foreign is fine", () => {
    put("usr/lib/systemd/systemd", "not a program");
    const trap = join(scratch, "ran-a-program-of-the-image");
    put("usr/bin/systemctl", `#!/bin/sh\ntouch ${trap}\n`);
    install(new ImageRoot(tree), "systemd", program);
    expect(existsSync(trap)).toBe(false);
  });

  test("replaces an older program and says so, without ever writing into the file that runs", () => {
    install(new ImageRoot(tree), "none", program);
    const before = lstatSync(join(tree, "usr/local/bin/trace-agent")).ino;
    writeFileSync(program, ours("the newer program"));
    expect(install(new ImageRoot(tree), "none", program)).toEqual([
      { path: "/usr/local/bin/trace-agent", outcome: "changed" },
    ]);
    expect(lstatSync(join(tree, "usr/local/bin/trace-agent")).ino).not.toBe(before);
    expect(readdirSync(join(tree, "usr/local/bin"))).toEqual(["trace-agent"]);
  });

  test("never leaves the tree, wherever its links point", () => {
    const outside = join(scratch, `outside-${count}`);
    mkdirSync(outside);
    mkdirSync(join(tree, "real/etc"), { recursive: true });
    mkdirSync(join(tree, "usr"));
    symlinkSync("/real/etc", join(tree, "etc"));
    symlinkSync("../../../../../../../../../../../../real", join(tree, "usr/local"));
    symlinkSync(outside, join(tree, "real/etc/systemd"));
    const root = new ImageRoot(tree);
    install(root, "systemd", program);
    expect(readdirSync(outside)).toEqual([]);
    expect(existsSync(join(tree, "real/bin/trace-agent"))).toBe(true);
    expect(existsSync(join(tree, outside, "system/trace-agent.service"))).toBe(true);
  });

  test("follows links to what is there, as in a chroot", () => {
    put("usr/lib/systemd/systemd");
    symlinkSync("usr/lib", join(tree, "lib"));
    symlinkSync("/usr/lib/systemd/systemd", join(tree, "relative"));
    symlinkSync("/etc/passwd", join(tree, "dangling"));
    const root = new ImageRoot(tree);
    expect(["/lib/systemd/systemd", "/relative", "/dangling", "/none"].map((path) => root.exists(path))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test("refuses a root that is none, and links without end", () => {
    expect(() => new ImageRoot(join(tree, "none"))).toThrow("it is no directory");
    symlinkSync("/loop/x", join(tree, "loop"));
    expect(() => new ImageRoot(tree).place("/loop/y")).toThrow("too many symbolic links");
  });

  test("finds no init where there is none", () => {
    expect(findInit(new ImageRoot(tree))).toBe("none");
    expect(initNames).toContain("none");
  });
});

describe("deviceUnit()", () => {
  test("escapes what systemd escapes", () => {
    expect(deviceUnit("/dev/virtio-ports/agent-ctl-path")).toBe("dev-virtio\\x2dports-agent\\x2dctl\\x2dpath.device");
  });

  testUnless(whyNot("systemd-escape"), "names the unit as systemd-escape does", () => {
    for (const path of ["/dev/virtio-ports/agent-ctl-path", "/.a.b/c_d:e+f", "/x y"]) {
      const { stdout } = Bun.spawnSync(["systemd-escape", "--path", "--suffix=device", path]);
      expect(deviceUnit(path)).toBe(stdout.toString().trim());
    }
  });
});

describe("the systemd unit", () => {
  // The systemd guest judges the unit too.
  testUnless(whyNot("systemd-analyze"), "is sound and closed to systemd's own judges", () => {
    install(new ImageRoot(tree), "systemd", "/bin/true", { early: [systemdEarly] });
    for (const target of ["sysinit", "basic", "shutdown"])
      put(`usr/lib/systemd/system/${target}.target`, "[Unit]\nDefaultDependencies=no\n");
    put("usr/lib/systemd/system/multi-user.target", "[Unit]\n");
    const unit = "etc/systemd/system/trace-agent.service";
    for (const name of ["sh", "rm", "systemctl"]) {
      put(`bin/${name}`);
      chmodSync(join(tree, "bin", name), 0o755);
    }
    const verify = Bun.spawnSync([
      "systemd-analyze",
      "verify",
      `--root=${tree}`,
      "trace-agent.service",
      "trace-agent-early.service",
    ]);
    expect(verify.stderr.toString()).toBe("");
    const security = Bun.spawnSync([
      "systemd-analyze",
      "security",
      "--offline=true",
      join(tree, unit),
    ]).stdout.toString();
    const score = Number(/exposure level for trace-agent.service: ([\d.]+)/.exec(security)?.[1]);
    expect(score).toBeLessThanOrEqual(2);
  });

  testUnless(whyNot("systemctl"), "stays enabled where an image's presets disable by default", () => {
    put("usr/lib/systemd/system-preset/99-default.preset", "disable *\n");
    put("etc/systemd/system/other.service", "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n");
    mkdirSync(join(tree, "etc/systemd/system/multi-user.target.wants"));
    symlinkSync(
      "/etc/systemd/system/other.service",
      join(tree, "etc/systemd/system/multi-user.target.wants/other.service"),
    );
    const links = install(new ImageRoot(tree), "systemd", program).filter(({ path }) => path.includes(".wants/"));
    expect(Bun.spawnSync(["systemctl", `--root=${tree}`, "preset-all"]).exitCode).toBe(0);
    expect(
      lstatSync(join(tree, "etc/systemd/system/multi-user.target.wants/other.service"), { throwIfNoEntry: false }),
    ).toBeUndefined();
    expect(links.length).toBeGreaterThan(0);
    for (const { path } of links) expect(lstatSync(join(tree, path)).isSymbolicLink()).toBe(true);
  });

  test("udev asks for it, too, while it is enabled: its rule names the link that is there", () => {
    install(new ImageRoot(tree), "systemd", program);
    const rule = readFileSync(join(tree, "etc/udev/rules.d/80-trace-agent.rules"), "latin1");
    const [, link = ""] = /TEST=="([^"]+)"/.exec(rule) ?? [];
    expect(readlinkSync(join(tree, link))).toBe("/etc/systemd/system/trace-agent.service");
  });
});

describe("the scripts for OpenRC, sysvinit and initramfs makers", () => {
  test("are read by a POSIX shell without complaint", () => {
    const root = new ImageRoot(tree);
    for (const init of ["openrc", "sysv"] as const) {
      const done = install(root, init, program, { early: [initramfsTools, dracut, systemdEarly] });
      const scripts = done.filter(({ path }) => !/^\/etc\/(runlevels|systemd)\//.test(path) && path !== programPath);
      for (const { path } of scripts) {
        const { exitCode, stderr } = Bun.spawnSync(["sh", "-n", join(tree, path)]);
        expect(`${path} ${exitCode} ${stderr.toString()}`).toBe(`${path} 0 `);
      }
    }
  });
});

describe("the install command of the executable", () => {
  test("copies itself, is repeatable, and explains what it cannot do", () => {
    put("usr/lib/systemd/systemd");
    const run = (...args: string[]): string => {
      const { stderr, exitCode } = Bun.spawnSync([executable, ...args], { stdout: "ignore" });
      return `${exitCode}\n${stderr.toString()}`;
    };
    expect(run("install", "--root", tree)).toContain("/usr/local/bin/trace-agent: made");
    expect(readFileSync(join(tree, "usr/local/bin/trace-agent")).equals(readFileSync(executable))).toBe(true);
    expect(run("install", "--root", tree)).not.toMatch(/: (made|changed)/);
    expect(run("install", "--root", tree, "--init", "upstart")).toStartWith(
      '64\ntrace-agent: error: unknown init "upstart"',
    );
    expect(run("install", "--root", join(tree, "none"))).toStartWith("64\n");
    expect(run("uninstall", "--root", tree)).toContain("/usr/local/bin/trace-agent: removed");
    expect(run("uninstall", "--root", tree)).toBe("0\ntrace-agent: nothing to remove\n");
  });
});
