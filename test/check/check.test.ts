import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { makeFifo } from "../../ffi/pipe.ts";
import type { PortPlace } from "../../src/transport/port-place.ts";
import { virtio } from "../../src/transport/virtio.ts";
import { type Condition, conditionLines } from "../../src/check/condition.ts";
import { checkHost } from "../../src/check/host-check.ts";
import * as kernel from "../../src/check/kernel-conditions.ts";
import { MachineView } from "../../src/check/machine-view.ts";
import { controlPort, dataPorts, virtioConsole } from "../../src/check/port-conditions.ts";
import { protocolVersion } from "../../src/protocol/words.ts";
import { controlPortName, dataPortName } from "../../src/protocol/ports.ts";
import { AgentFixture } from "../support/agent-fixture.ts";
import { executable } from "../support/agent-process.ts";

const fixture = new AgentFixture("check");
const scratch = mkdtempSync(join(tmpdir(), "trace-agent-check-"));
let count = 0;
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A machine with these files under /proc and /sys. */
function machine(files: Record<string, string>, uid = 0): MachineView {
  const root = join(scratch, `machine-${count++}`);
  mkdirSync(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return new MachineView(root, uid);
}

const line = (condition: Condition): string => conditionLines([condition]).trim().replaceAll(/ {2,}/g, " ");

const noCapabilities = "Name:\tx\nCapEff:\t0000000000000000\n";
const allCapabilities = "CapEff:\t000001ffffffffff\n";

describe("check names every broken condition and its remedy:", () => {
  test("the rights", () => {
    expect(line(kernel.rights(machine({})))).toBe("ok rights root");
    expect(line(kernel.rights(machine({}, 1000)))).toMatch(/^failure rights user 1000, not root; run it as root/);
  });

  test("/proc is not mounted", () => {
    expect(line(kernel.procMounted(machine({ "/proc/self/status": "" })))).toBe("ok /proc mounted");
    expect(line(kernel.procMounted(machine({ "/proc/.keep": "" })))).toBe(
      "failure /proc not mounted; mount it with: mount -t proc proc /proc",
    );
  });

  test("a processor that is too old", () => {
    const x64 = (flags: string): string =>
      line(kernel.processor(machine({ "/proc/cpuinfo": `flags\t\t: ${flags}\n` }), "x86_64"));
    expect(x64("fpu sse4_1 sse4_2 popcnt avx")).toBe("ok processor x86_64 with SSE4.2 and POPCNT");
    expect(x64("fpu sse4_1 popcnt")).toMatch(
      /^failure processor x86_64 without SSE4.2; give the VM a newer CPU model: -cpu host/,
    );
    const arm64 = (flags: string): string =>
      line(kernel.processor(machine({ "/proc/cpuinfo": `Features\t: ${flags}\n` }), "aarch64"));
    expect(arm64("fp crc32 aes")).toBe("ok processor aarch64 with CRC32");
    expect(arm64("fp aes")).toMatch(/^failure processor aarch64 without CRC32; give the VM/);
    expect(line(kernel.processor(machine({}), "x86_64"))).toMatch(/^warning processor cannot tell/);
    expect(line(kernel.processor(machine({}), "riscv64"))).toMatch(/^failure processor riscv64; trace-agent is for/);
  });

  test("a kernel without ftrace", () => {
    const files = { "/proc/sys/kernel/osrelease": "6.1.0\n" };
    expect(line(kernel.kernelTracing(machine({ ...files, "/proc/filesystems": "nodev\ttracefs\n\text4\n" })))).toBe(
      "ok ftrace Linux 6.1.0",
    );
    expect(line(kernel.kernelTracing(machine({ ...files, "/proc/filesystems": "nodev\tproc\n" })))).toMatch(
      /^failure ftrace .*CONFIG_TRACING is off.*; boot a kernel/,
    );
  });

  test("lockdown forbids tracefs only in its strictest form", () => {
    const at = (text: string): string => line(kernel.lockdown(machine({ "/sys/kernel/security/lockdown": text })));
    expect(at("[none] integrity confidentiality")).toBe("ok lockdown none");
    expect(at("none [integrity] confidentiality")).toBe("ok lockdown integrity");
    expect(at("none integrity [confidentiality]")).toBe(
      "failure lockdown confidentiality: it forbids tracefs; boot without lockdown=confidentiality",
    );
  });

  test("tracefs is not mounted, or not where it was said", () => {
    const broken = line(kernel.tracefs(machine({ "/sys/kernel/x": "" }), {}).condition);
    expect(broken).toMatch(
      /^failure tracefs not mounted on .*; mount it with: mount -t tracefs nodev \/sys\/kernel\/tracing$/,
    );
    expect(line(kernel.tracefs(machine({}), {}).condition)).toContain(
      "/sys is not mounted either: mount -t sysfs sysfs /sys",
    );
    expect(line(kernel.tracefs(machine({}), { tracefs: scratch }).condition)).toMatch(
      /^failure tracefs .*it has no per_cpu; name the mounted tracefs/,
    );
  });

  test("hidden kernel symbols", () => {
    const symbols = (text: string, status = noCapabilities): string =>
      line(kernel.kernelSymbols(machine({ "/proc/kallsyms": text, "/proc/self/status": status })));
    expect(symbols("0000000000000000 A x\nffffffff81000000 T y\nffffffffc0000000 t z\t[m]\n")).toBe(
      "ok kernel symbols readable",
    );
    expect(symbols("0000000000000000 A x\n0000000000000000 T y\n")).toMatch(
      /^warning kernel symbols .*hidden.*; run it with CAP_SYSLOG/,
    );
    expect(symbols("0000000000000000 T y\n", allCapabilities)).toContain("sysctl kernel.kptr_restrict=1");
    expect(symbols("")).toMatch(/^warning kernel symbols \/proc\/kallsyms is empty.*CONFIG_KALLSYMS/);
  });

  test("pipes that are too small, or too many", () => {
    const pipes = (largest: number, soft: number, status = noCapabilities): string => {
      const files = {
        "/proc/self/status": status,
        "/proc/sys/fs/pipe-max-size": `${largest}\n`,
        "/proc/sys/fs/pipe-user-pages-soft": `${soft}\n`,
      };
      return line(kernel.pipes(machine(files), 64, 1048576, 4096));
    };
    expect(pipes(1048576, 16384)).toBe("ok pipes 64 of 1024 KiB");
    expect(pipes(1048576, 0), "0 is no limit").toBe("ok pipes 64 of 1024 KiB");
    expect(pipes(65536, 16384)).toMatch(
      /^warning pipes limited to 64 KiB each, 1024 wanted.*; sysctl fs.pipe-max-size=1048576/,
    );
    expect(pipes(1048576, 1024)).toMatch(
      /^warning pipes limited to 1024 pages in all, 16384 wanted.*; sysctl fs.pipe-user-pages-soft=16384/,
    );
    expect(pipes(65536, 1024, allCapabilities)).toMatch(/^ok pipes/);
  });

  test("no virtio-serial device, or no driver", () => {
    const device = { "/sys/bus/virtio/devices/virtio0/device": "0x0003\n" };
    const driver = { "/sys/bus/virtio/drivers/virtio_console/bind": "" };
    expect(line(virtioConsole(machine({ ...device, ...driver })))).toBe("ok virtio_console 1 virtio-serial device");
    expect(line(virtioConsole(machine(device)))).toBe(
      "failure virtio_console 1 virtio-serial device without a driver; modprobe virtio_console",
    );
    expect(line(virtioConsole(machine(driver)))).toMatch(
      /^failure virtio_console .*no virtio-serial device; give the VM ports: trace-agent setup/,
    );
    expect(line(virtioConsole(machine({})))).toContain("modprobe virtio_pci virtio_console");
  });

  test("the ports: absent, too few, of another program, not to be opened", () => {
    const fifo = (name: string): PortPlace["control"] => {
      const path = join(scratch, `${name}-${count++}`);
      makeFifo(path, 0o600);
      return { end: virtio.guest, path, readPath: path };
    };
    const control = fifo("control")!;
    expect(line(controlPort({ control, data: new Map() }))).toBe(`ok control port ${control.path}`);
    expect(line(controlPort({ control: undefined, data: new Map() }))).toMatch(
      /^failure control port no port named "agent-ctl-path"; give the VM ports/,
    );
    const gone = { ...control, path: `${control.path}.gone` };
    expect(line(controlPort({ control: gone, data: new Map() }))).toMatch(
      /^failure control port .* cannot be opened: ENOENT; there is no device node: mount -t devtmpfs/,
    );

    const data = new Map([
      [0, fifo("data")!],
      [1, fifo("data")!],
    ]);
    expect(line(dataPorts({ control, data }, [0, 1]))).toBe("ok data ports for all CPUs, 0-1");
    expect(line(dataPorts({ control, data }, [0, 1, 2, 3]))).toMatch(
      /^warning data ports for CPUs 0-1, none for CPUs 2-3; add trace-path-cpu2 and so on/,
    );
    expect(line(dataPorts({ control, data }, [0, 1, 5]))).toMatch(
      /^warning data ports for CPUs 0-1, none for CPUs 5; add trace-path-cpu5: trace-agent setup/,
    );
    expect(line(dataPorts({ control, data: new Map() }, [0, 1]))).toMatch(
      /^failure data ports none for CPUs 0-1; give the VM ports/,
    );

    const other = Bun.spawn(["sleep", "60"], { stdin: openSync(control.path, constants.O_RDWR) });
    expect(line(controlPort({ control, data }))).toBe(
      `failure control port ${control.path} is held by sleep (pid ${other.pid}); end that program`,
    );
    expect(line(dataPorts({ control, data: new Map([[0, control]]) }, [0]))).toContain(
      `held by sleep (pid ${other.pid}); end that program`,
    );
    other.kill();
  });
});

describe("check of a guest on its host", () => {
  const lines = async (path: string, waitMs = 500): Promise<string> =>
    conditionLines(await checkHost({ guest: "vm", path }, waitMs)).replaceAll(/ {2,}/g, " ");

  function directory(names: string[], mode = 0o750): string {
    const path = join(scratch, `guest-${count++}`);
    mkdirSync(path);
    for (const name of names) makeFifo(join(path, name), 0o660);
    chmodSync(path, mode);
    return path;
  }
  const port = (name: string): string[] => [`${name}.in`, `${name}.out`];

  test("says that there is no directory, or no control port in it", async () => {
    expect(await lines(join(scratch, "none"))).toMatch(
      /^failure directory cannot find guest directory .*; make it with: trace-agent setup \/.*none --cpus N/,
    );
    expect(await lines(directory(port(dataPortName(0))))).toMatch(
      /^failure directory .*no control port "agent-ctl-path"/,
    );
  });

  test("says who may use it, what is missing, and that no VM has it", async () => {
    const open = await lines(
      directory([...port(controlPortName), ...port(dataPortName(0)), ...port(dataPortName(2))], 0o777),
    );
    expect(open).toMatch(/^warning permissions .* is writable by all; chmod o-w /m);
    expect(open).toMatch(/^warning ports none for CPUs 1; trace-agent setup \/.*makes what is missing/m);
    expect(open).toMatch(/^failure VM no process holds the FIFOs; start the VM/m);
    expect(open).toMatch(/^failure agent cannot open port "agent-ctl-path" .* no VM holds it; start the VM/m);
    expect(await lines(directory(port(controlPortName), 0o755))).toMatch(
      /^warning permissions .* open to all users \(mode 0755\); chmod o-rwx /m,
    );
    expect(await lines(directory(port(controlPortName)))).toMatch(
      /^failure ports the control port .*, but no data port/m,
    );
    expect(await lines(directory([...port(controlPortName), "trace-path-cpu0.out"]))).toMatch(
      /^failure ports trace-path-cpu0.in missing/m,
    );
  });

  test("says that the VM is there and its agent does not answer, and who else reads", async () => {
    const path = directory([...port(controlPortName), ...port(dataPortName(0))]);
    const ends = [...port(controlPortName), ...port(dataPortName(0))].map((name) =>
      openSync(join(path, name), constants.O_RDWR),
    );
    const reading = openSync(join(path, "trace-path-cpu0.out"), constants.O_RDONLY);
    const vm = Bun.spawn(["sleep", "60"], { stdio: [ends[0], ends[1], ends[2], ends[3]] });
    const reader = Bun.spawn(["sleep", "60"], { stdin: reading });
    for (const fd of [...ends, reading]) closeSync(fd);
    const found = await lines(path);
    expect(found).toContain(`ok VM sleep (pid ${vm.pid}) holds all 2 ports`);
    expect(found).toMatch(
      new RegExp(`^warning readers sleep \\(pid ${reader.pid}\\) reads data ports.*; end it before you record`, "m"),
    );
    expect(found).toMatch(/^failure agent does not answer; in the guest: is trace-agent running/m);
    vm.kill();
    reader.kill();
  });

  test.skipIf(fixture.skipReason !== undefined)("asks the agent who it is", async () => {
    const path = directory([controlPortName, ...fixture.cpus.map((cpu) => dataPortName(cpu))].flatMap(port));
    const agent = fixture.launch(["--ports", path]);
    await agent.says("armed: ");
    const { stdout, exitCode } = Bun.spawnSync([executable, "check", path, "--json", "--wait", "240"]);
    const report = JSON.parse(stdout.toString()) as { guest: string; ready: boolean; conditions: Condition[] };
    const found = Object.fromEntries(report.conditions.map((condition) => [condition.name, condition]));
    expect(found["agent"]).toMatchObject({ state: "ok", found: expect.stringContaining("armed on ") });
    expect(found["version"]).toMatchObject({
      state: "ok",
      found: expect.stringContaining(`protocol ${protocolVersion}`),
    });
    expect(found["guest's CPUs"]).toMatchObject({ state: "ok" });
    expect(report.ready).toBe(exitCode === 0);
  });
});

describe("the check command of the executable", () => {
  test("prints a line per condition and exits with 69 when the agent could not run", () => {
    const empty = mkdtempSync(join(scratch, "empty-"));
    const { stdout, exitCode } = Bun.spawnSync([executable, "check", "--ports", empty]);
    expect(exitCode).toBe(69);
    expect(stdout.toString()).toMatch(/^failure +control port +no port named "agent-ctl-path"; give the VM ports/m);
    expect(
      stdout
        .toString()
        .split("\n")
        .slice(0, -1)
        .every((text) => /^(ok|warning|failure) /.test(text)),
    ).toBe(true);
  });

  test.skipIf(fixture.skipReason !== undefined)("exits with 0 where it can, and agrees with the agent", () => {
    const ports = fixture.makePorts();
    const { exitCode, stdout } = Bun.spawnSync([executable, "check", "--ports", ports.path, "--json"]);
    const report = JSON.parse(stdout.toString()) as { ready: boolean; conditions: Condition[] };
    expect({
      exitCode,
      ready: report.ready,
      failures: report.conditions.filter(({ state }) => state === "failure"),
    }).toEqual({ exitCode: 0, ready: true, failures: [] });
  });
});
