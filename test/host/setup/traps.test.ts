/** setup, the lock and the ports of a guest where other users lay traps, and what setup leaves across a boot. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { guestDirectory } from "../../../src/host/guest-directory.ts";
import { entryPath, entryText } from "../../../src/host/setup/persist.ts";
import { makeGuestDirectory } from "../../../src/host/setup/setup.ts";
import { planSetup } from "../../../src/host/setup/setup-plan.ts";
import { executable } from "../../support/agent-process.ts";
import { theirDirectory, theirFile, theirLink, withoutSudo } from "../../support/other-user.ts";
import { testUnless, whyNot } from "../../support/test-unless.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const base = mkdtempSync(`${tmpdir()}/ta-traps-`);
afterAll(() => rmSync(base, { recursive: true }));
const notRoot = process.geteuid?.() === 0 ? undefined : "not root";
let count = 0;

function run(...args: string[]): { code: number; stdout: string; stderr: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([executable, ...args], {
    env: withoutSudo,
  });
  return { code: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

const owner = (path: string): string => {
  const { uid, gid, mode } = lstatSync(path);
  return `${uid}:${gid} ${(mode & 0o7777).toString(8)}`;
};

/** A file of root's that a trap leads to, and how it must stay. */
function victim(): { path: string; intact: () => void } {
  const path = `${base}/victim${++count}`;
  writeFileSync(path, "root's own\n", { mode: 0o600 });
  return {
    path,
    intact: () => {
      expect(owner(path)).toBe("0:0 600");
      expect(readFileSync(path, "latin1")).toBe("root's own\n");
    },
  };
}

describe("setup --group", () => {
  testUnless(
    notRoot,
    "gives the group all that it needs and nothing else, whatever the umask and what was there",
    () => {
      const path = `${base}/way/further/vm${++count}`;
      const setup = `umask 077; exec "$0" setup vm --dir "$1" --cpus 2 --group 61002`;
      for (const _ of [1, 2]) expect(Bun.spawnSync(["sh", "-c", setup, executable, path]).exitCode).toBe(0);
      expect([owner(`${base}/way`), owner(`${base}/way/further`)]).toEqual(["0:0 755", "0:0 755"]);
      expect(owner(path)).toBe("0:61002 750");
      expect(readdirSync(path).length).toBe(7);
      for (const name of readdirSync(path)) expect(`${name} ${owner(`${path}/${name}`)}`).toBe(`${name} 0:61002 660`);
      // A directory that root made for itself alone is opened for the group.
      const closed = `${base}/closed${count}`;
      mkdirSync(closed, { mode: 0o700 });
      makeGuestDirectory(closed, planSetup(1), "socket", "61002");
      expect([owner(closed), owner(`${closed}/lock`)]).toEqual(["0:61002 750", "0:61002 660"]);
    },
  );

  testUnless(notRoot, "changes the owner of nothing that a link, or another user's directory, leads to", () => {
    const { path, intact } = victim();
    const there = theirDirectory(`${base}/there${++count}`);
    const inTheirs = run("setup", "vm", "--dir", there, "--cpus", "1", "--group", "61002");
    expect(inTheirs).toMatchObject({ code: 77, stderr: expect.stringContaining("neither you nor root") });
    expect(readdirSync(there)).toEqual([]);
    // Links of theirs in the way, as the directory, and in a directory that was root's before.
    theirLink(`${there}/link`, base);
    expect(run("setup", "vm", "--dir", `${there}/link/x`, "--cpus", "1", "--group", "61002").code).toBe(77);
    const open = `${base}/open${count}`;
    for (const name of ["agent-ctl-path.in", "trace-path-cpu0.out", "lock"]) {
      mkdirSync(open);
      theirLink(`${open}/${name}`, path);
      const { code, stderr } = run("setup", "vm", "--dir", open, "--cpus", "1", "--group", "61002");
      expect({ name, code }).toEqual({ name, code: 69 });
      expect(stderr).toContain(`${name}": a symbolic link is there; move it away`);
      rmSync(open, { recursive: true });
    }
    mkdirSync(open);
    linkSync(path, `${open}/lock`);
    expect(run("setup", "vm", "--dir", open, "--cpus", "1", "--group", "61002").code).toBe(69);
    intact();
  });

  testUnless(notRoot, "removes nothing through a link or out of another user's directory", () => {
    const there = theirDirectory(`${base}/there${++count}`);
    writeFileSync(`${there}/lock`, "");
    theirLink(`${there}/link`, base);
    makeGuestDirectory(`${base}/mine${count}`, planSetup(1), "fifo", undefined);
    expect(run("setup", "vm", "--dir", there, "--remove").code).toBe(77);
    expect(run("setup", "vm", "--dir", `${there}/link/mine${count}`, "--remove").code).toBe(77);
    expect(readdirSync(there).sort()).toEqual(["link", "lock"]);
    expect(readdirSync(`${base}/mine${count}`).length).toBe(5);
    // Somebody else's files in our directory stay, and their names steer no terminal.
    writeFileSync(`${base}/mine${count}/\x1b[2Jx`, "");
    expect(run("setup", "vm", "--dir", `${base}/mine${count}`, "--remove").stderr).toContain("it also holds ?[2Jx");
  });
});

describe("a guest's ports and lock", () => {
  testUnless(
    notRoot,
    "write no order and no name into what a link leads to",
    () => {
      const { path, intact } = victim();
      // A FIFO that gives the guest's words is looked for, and a link is none.
      const traps = { lock: 74, "agent-ctl-path.in": 74, "agent-ctl-path.out": 69, "trace-path-cpu0.out": 69 };
      for (const [name, expected] of Object.entries(traps)) {
        const directory = theirDirectory(`${base}/there${++count}`);
        for (const fifo of ["agent-ctl-path.in", "agent-ctl-path.out", "trace-path-cpu0.in", "trace-path-cpu0.out"])
          if (fifo !== name) Bun.spawnSync(["mkfifo", `${directory}/${fifo}`]);
        theirLink(`${directory}/${name}`, path);
        for (const command of [
          ["status", directory],
          ["start", directory],
          ["record", directory, "-o", `${base}/o`],
          ["check", directory],
        ]) {
          const { code, stdout, stderr } = run(...command);
          expect({ name, command, code }).toEqual({ name, command, code: command[0] === "check" ? 69 : expected });
          expect(stdout + stderr).not.toContain("root's own");
          intact();
        }
      }
      const directory = theirDirectory(`${base}/there${++count}`);
      for (const fifo of ["agent-ctl-path.in", "agent-ctl-path.out"]) Bun.spawnSync(["mkfifo", `${directory}/${fifo}`]);
      theirFile(`${directory}/lock`, "mallory's own");
      expect(run("status", directory).code).toBe(69);
      expect(readFileSync(`${directory}/lock`, "latin1")).toBe("mallory's own");
    },
    300_000,
  );

  testUnless(notRoot, "write no name into a file that has another name besides", () => {
    const { path, intact } = victim();
    const directory = `${base}/vm${++count}`;
    makeGuestDirectory(directory, planSetup(1), "fifo", undefined);
    rmSync(`${directory}/lock`);
    linkSync(path, `${directory}/lock`);
    const { code, stderr } = run("status", directory);
    expect(stderr).toContain('its file "lock" is a link, or not a regular file');
    expect(code).toBe(74);
    intact();
  });

  test("are locked without making anything, by one program at a time", async () => {
    const directory = `${base}/vm${++count}`;
    mkdirSync(directory);
    for (const fifo of ["agent-ctl-path.in", "agent-ctl-path.out", "trace-path-cpu0.in", "trace-path-cpu0.out"])
      Bun.spawnSync(["mkfifo", `${directory}/${fifo}`]);
    const before = readdirSync(directory);
    for (const command of ["status", "check"]) expect(run(command, directory).code).toBe(69);
    expect(readdirSync(directory)).toEqual(before);
    // Not a child of flock's: it would outlive its end, and keep the output of the tests open.
    const holder = Bun.spawn(["flock", "--no-fork", directory, "sh", "-c", "echo locked; exec sleep 600"], {
      stdout: "pipe",
    });
    await holder.stdout.getReader().read();
    expect(run("status", directory).stderr).toContain("another trace-agent uses it; end it");
    holder.kill();
    await holder.exited;
  });

  test.each(["a\nb", "a\x1b[2J", "\x07", "a\x85b", "/run/a\nb"])(
    "have no control characters in their name: %j",
    (name) => {
      for (const command of ["setup", "record", "status", "check"]) {
        const { code, stdout, stderr } = run(command, name, ...(command === "setup" ? ["--cpus", "1"] : []));
        expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
        expect(stderr).toMatch(/^trace-agent: error: cannot use guest "[^\p{Cc}]+\n$/u);
      }
      expect(run("setup", "vm", "--cpus", "1", "--dir", name).code).toBe(64);
    },
  );
});

describe("setup --attach", () => {
  test("leaves nothing behind where there is no virsh", () => {
    const path = `${base}/vm${++count}`;
    const { exitCode, stderr } = Bun.spawnSync([executable, "setup", "vm", "--dir", path, "--cpus", "1", "--attach"], {
      env: { PATH: `${base}/nowhere` },
    });
    expect({ exitCode, there: existsSync(path) }).toEqual({ exitCode: 69, there: false });
    expect(stderr.toString()).toContain("cannot run virsh");
  });
});

describe("setup --persist", () => {
  const noReader = notRoot ?? whyNot("systemd-tmpfiles");

  testUnless(noReader, "has tmpfiles make after a boot what setup made, until setup --remove", () => {
    const directory = guestDirectory("vm", `${base}/a "b" 100%\\ ${++count}`);
    const { path } = directory;
    const setup = ["setup", "vm", "--dir", path, "--cpus", "2"];
    expect(run(...setup, "--group", "61002", "--persist").stderr).toContain(": makes them at each boot\n");
    const entry = entryPath(directory);
    try {
      expect(owner(entry)).toBe("0:0 644");
      const made = (): string[] =>
        [
          path,
          ...readdirSync(path)
            .sort()
            .map((name) => `${path}/${name}`),
        ].map((place) => `${place} ${lstatSync(place).mode} ${owner(place)}`);
      const before = made();
      rmSync(path, { recursive: true });
      const { exitCode, stderr } = Bun.spawnSync(["systemd-tmpfiles", "--create", entry]);
      expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" });
      expect(made()).toEqual(before);
      expect(run(...setup, "--group", "61002").stderr).toContain("nothing to make, all is there for 2 CPUs\n");
    } finally {
      expect(run("setup", "vm", "--dir", path, "--remove").stderr).toContain(`${entry}: removed`);
    }
    expect([existsSync(entry), existsSync(path)]).toEqual([false, false]);
  });

  testUnless(notRoot, "leaves a file of somebody else alone", () => {
    const directory = guestDirectory("vm", `${base}/vm${++count}`);
    const entry = entryPath(directory);
    mkdirSync("/etc/tmpfiles.d", { recursive: true });
    writeFileSync(entry, "# mine\n");
    try {
      expect(run("setup", "vm", "--dir", directory.path, "--remove").stderr).toContain(
        `${directory.path}: nothing to remove`,
      );
      expect(readFileSync(entry, "latin1")).toBe("# mine\n");
    } finally {
      rmSync(entry);
    }
  });

  test("has an entry of its own for each guest, whose lines are those of its ports", () => {
    const paths = ["a-b", "a/b", "/run/virtio-trace/a-b", "/a/b", "/a-b", "dir.a"].map((name) =>
      entryPath(guestDirectory(name)),
    );
    expect(new Set(paths).size).toBe(5);
    const text = entryText("/run/virtio-trace/vm1", planSetup(1), "fifo", "kvm");
    expect(text.split("\n").slice(1)).toEqual([
      "d /run/virtio-trace 0755 - - -",
      "d /run/virtio-trace/vm1 0750 - kvm -",
      ...["agent-ctl-path.in", "agent-ctl-path.out", "trace-path-cpu0.in", "trace-path-cpu0.out"].map(
        (name) => `p /run/virtio-trace/vm1/${name} 0660 - kvm -`,
      ),
      "f /run/virtio-trace/vm1/lock 0660 - kvm -",
      "",
    ]);
    expect(entryText("/x", planSetup(1), "socket", undefined).split("\n").slice(1)).toEqual([
      "d /x 0750 - - -",
      "f /x/lock 0660 - - -",
      "",
    ]);
  });
});
