/** The static executable in trees that hold nothing it could lean on, and in worlds that refuse what it needs. */
import { beforeAll, describe, expect, test } from "bun:test";
import { existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unpackedPackages } from "../../../ffi/static/debian-packages.ts";
import { messageOf } from "../../../src/base/errors.ts";
import { testUnless } from "../../support/test-unless.ts";
import { executeIn, install, whyNoChroot } from "./support/chroot.ts";
import { sampleOf, execute, agentVariables, reportOf, type Sample } from "./support/sample.ts";

const path = process.env["PATH"] ?? "";
const noChroot = whyNoChroot();
if (noChroot !== undefined) console.log(`skipped: the executable in other trees: ${noChroot}`);
const noMemfdSetting = existsSync("/proc/sys/vm/memfd_noexec") ? undefined : "no vm.memfd_noexec (Linux 6.3)";
if (noMemfdSetting !== undefined) console.log(`skipped: refused memfds: ${noMemfdSetting}`);
const noSetcap =
  noChroot ?? (Bun.which("setcap") === null ? "setcap is not installed (Debian: libcap2-bin)" : undefined);
if (noSetcap !== undefined) console.log(`skipped: file capabilities: ${noSetcap}`);

const musl = muslPackage();

/** The unpacked package, or why it cannot be had. */
function muslPackage(): { folder: string; reason?: string } {
  try {
    return { folder: unpackedPackages(process.arch === "arm64" ? "arm64" : "amd64", ["musl"]) };
  } catch (error) {
    return { folder: "", reason: messageOf(error) };
  }
}

let sample: Sample;
beforeAll(async () => {
  sample = await sampleOf();
}, 300_000);

/** A new tree that holds the executable as /app and nothing else. */
function bareTree(): string {
  const tree = mkdtempSync(join(sample.folder, "tree-"));
  linkSync(sample.static, join(tree, "app"));
  return tree;
}

describe.skipIf(noChroot !== undefined)("in a tree", () => {
  test("of the file and /proc alone, main, Worker and libc calls run", () => {
    const tree = bareTree();
    const report = reportOf(executeIn(tree, ["/app"]));
    expect(report.worker).toEqual({ url: "file:///$bunfs/root/worker.js", returned: -1, errno: 9 });
    expect(report.execPath).toBe("/app");
    // Without /sys it cannot tell how many CPUs there are.
    expect(report.environment).toEqual(agentVariables(16));
    expect(readdirSync(tree).sort()).toEqual(["app", "proc"]);
  });

  test("without /proc, it says so and that it must be mounted", () => {
    const outcome = executeIn(bareTree(), ["/app"], { proc: false });
    expect(outcome.stderr).toBe(
      "trace-agent: cannot start: /proc is not mounted; mount it first: mount -t proc proc /proc\n",
    );
    expect(outcome.exitCode).toBe(69);
  });

  test("that names a library in /etc/ld.so.preload, it reads no such file", () => {
    const tree = bareTree();
    mkdirSync(join(tree, "etc"));
    writeFileSync(join(tree, "etc/ld.so.preload"), "/lib/missing.so\n");
    const outcome = executeIn(tree, ["/app"]);
    expect(reportOf(outcome).failedClose).toBe(-1);
    expect(outcome.stderr).toBe("");
  });

  testUnless(musl.reason, "of musl, the very same file runs beside musl's own loader", () => {
    const tree = bareTree();
    const name = process.arch === "arm64" ? "aarch64" : "x86_64";
    install(tree, join(musl.folder, `lib/${name}-linux-musl/libc.so`), `lib/ld-musl-${name}.so.1`);
    symlinkSync(`ld-musl-${name}.so.1`, join(tree, `lib/libc.musl-${name}.so.1`));
    expect(executeIn(tree, [`/lib/ld-musl-${name}.so.1`]).stderr).toContain(`musl libc (${name})`);
    expect(reportOf(executeIn(tree, ["/app"])).worker).toHaveProperty("errno", 9);
  });

  test("where glibc is another version, it keeps to its own", () => {
    const tree = bareTree();
    for (const library of [
      "lib64/libc.so.6",
      "lib/x86_64-linux-gnu/libc.so.6",
      "usr/lib/libc.so.6",
      "lib64/ld-linux-x86-64.so.2",
    ]) {
      mkdirSync(join(tree, library, ".."), { recursive: true });
      writeFileSync(join(tree, library), "not a library");
    }
    expect(reportOf(executeIn(tree, ["/app"])).failedClose).toBe(-1);
  });
});

describe("where the system refuses", () => {
  test("memfds (too many open files), it names the call and the error", () => {
    const outcome = execute(["prlimit", "--nofile=4:4", sample.static], { env: { PATH: path } });
    expect(outcome.stderr).toStartWith("trace-agent: cannot start: memfd_create: EMFILE(24); ");
    expect(outcome.exitCode).toBe(69);
  });

  test.skipIf(noChroot !== undefined || noMemfdSetting !== undefined)(
    "executable memfds (vm.memfd_noexec=2), it runs",
    () => {
      const shell = 'echo 2 > /proc/sys/vm/memfd_noexec && cat /proc/sys/vm/memfd_noexec >&2 && exec "$0"';
      const outcome = execute(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", shell, sample.static], {
        env: { PATH: path },
      });
      expect(outcome.stderr).toBe("2\n");
      expect(reportOf(outcome).failedClose).toBe(-1);
    },
  );

  test.skipIf(noChroot !== undefined)("to trust it (set-user-ID), it refuses too", () => {
    const place = join(sample.folder, "setuid");
    install("/", sample.static, place);
    execute(["chmod", "4755", place], { env: { PATH: path } });
    execute(["chmod", "755", sample.folder], { env: { PATH: path } });
    const outcome = execute(["setpriv", "--reuid=65534", "--clear-groups", place], { env: { PATH: path } });
    expect(outcome.stderr).toContain("this file is set-user-ID or set-group-ID");
    expect(outcome.exitCode).toBe(69);
  });

  test.skipIf(noSetcap !== undefined)("LD_PRELOAD (file capabilities set AT_SECURE), it runs", () => {
    const place = join(sample.folder, "capable");
    install("/", sample.static, place);
    execute(["chmod", "755", sample.folder], { env: { PATH: path } });
    expect(execute(["setcap", "cap_net_bind_service+ep", place], { env: { PATH: path } }).exitCode).toBe(0);
    const outcome = execute(["setpriv", "--reuid=65534", "--clear-groups", place], { env: { PATH: path } });
    expect(reportOf(outcome).status).toMatch(/CapEff:\s+0000000000000400/);
  });
});
