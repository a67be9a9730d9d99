/** The set-up of a guest on the host: FIFOs, QEMU's arguments (asked of QEMU itself), libvirt's XML (asked of its schema). */
import { afterAll, describe, expect, test } from "bun:test";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { findHostPorts } from "../../../src/host/guest-directory.ts";
import { libvirtXml } from "../../../src/host/setup/libvirt-xml.ts";
import { qemuArguments } from "../../../src/host/setup/qemu-arguments.ts";
import { makeGuestDirectory, removeGuestDirectory } from "../../../src/host/setup/setup.ts";
import { planSetup, portsPerController } from "../../../src/host/setup/setup-plan.ts";
import { attachDevices, detachDevices } from "../../../src/host/setup/virsh.ts";
import type { HostTransport } from "../../../src/transport/transports.ts";
import { executable } from "../../support/agent-process.ts";
import { isLong } from "../../support/long.ts";
import { unpackedPackage, whyNoTools } from "../../support/packages.ts";
import { inQuickForm } from "../../support/quick.ts";

const base = mkdtempSync(`${tmpdir()}/ta-setup-`);
afterAll(() => rmSync(base, { recursive: true }));
const cpuCounts = [1, 30, 31, 97, 128, 509, 1024];

describe("planSetup()", () => {
  test.each(cpuCounts)(
    "gives each of %i CPUs a port of its own, and no device more ports than it can announce",
    (cpus) => {
      const { controllers, ports } = planSetup(cpus);
      expect(ports.map(({ name }) => name)).toEqual([
        "agent-ctl-path",
        ...Array.from({ length: cpus }, (_, cpu) => `trace-path-cpu${cpu}`),
      ]);
      expect(new Set(ports.map(({ controller, number }) => `${controller}:${number}`)).size).toBe(cpus + 1);
      for (const { controller, number } of ports) {
        expect(controller).toBeLessThan(controllers);
        expect(number >= 1 && number <= portsPerController).toBe(true);
      }
    },
  );

  test.each([0, 1025, 1.5, Number.NaN])("refuses %p CPUs", (cpus) => {
    expect(() => planSetup(cpus)).toThrow(/cannot set up/);
  });
});

describe("makeGuestDirectory()", () => {
  test("tells the CPUs that an earlier setup made ports for, which stay", () => {
    const path = `${base}/fewer`;
    makeGuestDirectory(path, planSetup(5), "fifo", undefined);
    const before = readdirSync(path);
    expect(makeGuestDirectory(path, planSetup(2), "fifo", undefined)).toEqual({
      directory: false,
      fifos: 0,
      beyond: [2, 3, 4],
    });
    expect(readdirSync(path)).toEqual(before);
    const { stderr, exitCode } = Bun.spawnSync([executable, "setup", "fewer", "--dir", path, "--cpus", "2"]);
    expect([exitCode, stderr.toString()]).toEqual([0, expect.stringContaining("ports of CPU 2-4 too")]);
  });

  test("makes a FIFO pair per port, changes nothing the second time, and is undone", () => {
    const path = `${base}/vm1`;
    const plan = planSetup(3);
    expect(makeGuestDirectory(path, plan, "fifo", undefined)).toEqual({ directory: true, fifos: 8, beyond: [] });
    expect(lstatSync(path).mode & 0o777).toBe(0o750);
    expect(lstatSync(`${path}/agent-ctl-path.in`).mode & 0o777).toBe(0o660);
    const before = readdirSync(path).map((name) => `${name} ${lstatSync(`${path}/${name}`).ino}`);
    expect(makeGuestDirectory(path, plan, "fifo", undefined)).toEqual({ directory: false, fifos: 0, beyond: [] });
    expect(readdirSync(path).map((name) => `${name} ${lstatSync(`${path}/${name}`).ino}`)).toEqual(before);
    const ports = findHostPorts({ guest: "vm1", path });
    expect(ports.data.map(({ cpu, end }) => `${cpu} ${end.name}`)).toEqual(["0 fifo", "1 fifo", "2 fifo"]);
    expect(removeGuestDirectory(path)).toEqual({ removed: 9, left: [] });
    expect(lstatSync(path, { throwIfNoEntry: false })).toBeUndefined();
    expect(removeGuestDirectory(path)).toEqual({ removed: 0, left: [] });
  });

  test("does not take a file for a FIFO, and leaves what is not its own", () => {
    const path = `${base}/vm2`;
    mkdirSync(path);
    writeFileSync(`${path}/agent-ctl-path.out`, "mine");
    expect(() => makeGuestDirectory(path, planSetup(1), "fifo", undefined)).toThrow(/something else is there/);
    writeFileSync(`${path}/notes.txt`, "mine too");
    expect(removeGuestDirectory(path).left).toEqual(["notes.txt"]);
    expect(readdirSync(path)).toEqual(["notes.txt"]);
  });
});

const noQemu = await whyNoTools("qemu-system-x86_64");
if (noQemu !== undefined) console.warn(`skipped: QEMU accepts the arguments (${noQemu})`);

describe.skipIf(noQemu !== undefined)("QEMU", () => {
  for (const [number, machine] of ["pc", "q35"].entries()) {
    // Each count on one of the machines; in the long form on both, once over FIFOs and once over sockets.
    const counts = cpuCounts.filter((_, index) => isLong || (index >> 1) % 2 === number);
    test(`accepts the arguments for ${counts.join(", ")} CPUs on a ${machine} machine`, () => {
      for (const cpus of counts) {
        const index = cpuCounts.indexOf(cpus);
        const transport = (index + number) % 2 === 0 ? "fifo" : "socket";
        // A comma has a meaning of its own in QEMU's options.
        const path = mkdtempSync(`${base}/a,b-`);
        const plan = planSetup(cpus);
        makeGuestDirectory(path, plan, transport, undefined);
        const args = `-M ${machine} -accel tcg -m 64 -S -nodefaults -display none -qmp stdio`.split(" ");
        const { exitCode, stdout, stderr } = Bun.spawnSync(
          ["qemu-system-x86_64", ...args, ...qemuArguments(plan, path, transport)],
          {
            timeout: 280_000,
            stdin: Buffer.from(
              '{"execute":"qmp_capabilities"}{"execute":"qom-list","arguments":{"path":"/machine/peripheral"}}{"execute":"quit"}',
            ),
          },
        );
        expect({ cpus, transport, exitCode, stderr: stderr.toString() }).toEqual({
          cpus,
          transport,
          exitCode: 0,
          stderr: "",
        });
        const ports = stdout.toString().match(/"name": "port-(?:agent-ctl-path|trace-path-cpu\d+)"/g) ?? [];
        expect(new Set(ports).size).toBe(cpus + 1);
      }
    }, 300_000);
  }
});

const schema = await domainSchema();

describe("libvirtXml()", () => {
  if ("reason" in schema) console.warn(`skipped: libvirt's schema takes the XML (${schema.reason})`);

  test.skipIf("reason" in schema).each(cpuCounts)("is valid by libvirt's schema for %i CPUs", (cpus) => {
    // Each of them with each second count.
    const quick = cpuCounts.indexOf(cpus) % 2 === 0 ? (["fifo"] as const) : (["socket"] as const);
    for (const transport of inQuickForm<readonly HostTransport[]>(quick, ["fifo", "socket"])) {
      const devices = libvirtXml(planSetup(cpus), "/run/virtio-trace/a & 'b'", transport);
      const file = `${base}/domain.xml`;
      writeFileSync(
        file,
        `<domain type='kvm'><name>vm</name><memory>65536</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices>\n${devices}</devices></domain>`,
      );
      const { exitCode, stderr } = Bun.spawnSync([
        "xmllint",
        "--noout",
        "--relaxng",
        "path" in schema ? schema.path : "",
        file,
      ]);
      expect({ exitCode, stderr: stderr.toString().slice(0, 500) }).toEqual({
        exitCode: 0,
        stderr: `${file} validates\n`,
      });
    }
  });

  test("escapes what XML would read as its own", () => {
    expect(libvirtXml(planSetup(1), "/run/a&b'<", "fifo")).toContain(
      "<source path='/run/a&amp;b&apos;&lt;/agent-ctl-path'/>",
    );
  });
});

describe("attachDevices()", () => {
  test("hands virsh each device as a file, leaves alone what is there, and tells every failure", () => {
    withVirsh(({ calls, fail, plan }) => {
      const first = attachDevices("my vm; rm -rf /", plan, "/run/virtio-trace/vm", "fifo");
      expect(first).toEqual({ done: 2 + 17, unchanged: 0, failures: [] });
      const [dump, controller] = calls();
      expect(dump).toEqual(["dumpxml", "--inactive", "--domain", "my vm; rm -rf /"]);
      expect(controller?.slice(0, 5)).toEqual(["attach-device", "--config", "--domain", "my vm; rm -rf /", "--file"]);
      // The domain had a controller 4 of its own.
      expect(controller?.at(-1)).toContain("<controller type='virtio-serial' index='5' ports='16' vectors='35'/>");

      const again = attachDevices("my vm; rm -rf /", plan, "/run/virtio-trace/vm", "fifo");
      expect(again).toEqual({ done: 0, unchanged: 19, failures: [] });

      fail("trace-path-cpu1[45]'");
      const more = attachDevices("my vm; rm -rf /", planSetup(17), "/run/virtio-trace/vm", "fifo");
      expect(more).toEqual({ done: 1, unchanged: 19, failures: [] });
      expect(detachDevices("my vm; rm -rf /").failures).toEqual([
        "channel trace-path-cpu14: made to fail",
        "channel trace-path-cpu15: made to fail",
      ]);
      fail("nothing");
      expect(detachDevices("my vm; rm -rf /")).toEqual({ done: 2 + 1, unchanged: 0, failures: [] });
    });
  }, 300_000);

  test("says what to do when there is no such domain, and no virsh", () => {
    withVirsh(() => {
      expect(() => attachDevices("missing", planSetup(1), "/x", "fifo")).toThrow(
        /cannot read libvirt domain "missing": no such domain/,
      );
    });
    const path = process.env["PATH"];
    process.env["PATH"] = `${base}/nowhere`;
    try {
      expect(() => attachDevices("vm", planSetup(1), "/x", "fifo")).toThrow(/cannot run virsh/);
    } finally {
      process.env["PATH"] = path;
    }
  });
});

type Stand = { calls: () => string[][]; fail: (pattern: string) => void; plan: ReturnType<typeof planSetup> };

/** Runs `use` with a stand-in virsh first on PATH. It keeps a domain, adds to it and takes from it as it is told. */
function withVirsh(use: (stand: Stand) => void): void {
  const directory = mkdtempSync(`${base}/virsh-`);
  const fail = (pattern: string): void => writeFileSync(`${directory}/fail`, `${pattern}\n`);
  writeFileSync(`${directory}/domain`, `<controller type="virtio-serial" index="4"/>\n${between}\n`);
  fail("nothing");
  writeFileSync(`${directory}/virsh`, `#!/bin/sh\nset -f\ncd '${directory}'\n${standIn}`, { mode: 0o755 });
  const path = process.env["PATH"];
  process.env["PATH"] = `${directory}:${path}`;
  const calls = (): string[][] =>
    readFileSync(`${directory}/calls`, "utf8")
      .split(`${between}\n`)
      .slice(0, -1)
      .map((call) => call.slice(0, -1).split("\x1f").slice(1));
  try {
    use({ calls, fail, plan: planSetup(16) });
  } finally {
    process.env["PATH"] = path;
  }
}

/** Behind each device of the domain, and each call: a line of its own. */
const between = "--";

/** In the shell's own commands: it is called some forty times. `take FILE` reads lines into $text, as they are. */
const standIn = `
take() {
  text=
  while IFS= read -r line; do text="$text$line
"; done <"$1"
}
end() { echo "error: $1" >&2; exit 1; }
order=$1 xml= last= domain=
for word; do
  case $last in --file) take "$word"; xml=$text ;; --domain) domain=$word ;; esac
  last=$word
done
{ printf '\\037%s' "$@" \${xml:+"$xml"}; printf '\\n%s\\n' ${between}; } >>calls
case $domain in missing) end "no such domain" ;; esac
take fail; pattern=\${text%?}
take domain; devices=$text
key="$xml${between}
"
case $order in
  dumpxml) printf '<domain><devices>%s</devices></domain>\\n' "$devices"; exit ;;
  attach-device) devices=$devices$key ;;
  detach-device)
    case $xml in *$pattern*) end "made to fail" ;; esac
    case $devices in *"$key"*) ;; *) end "no such device" ;; esac
    devices=\${devices%%"$key"*}\${devices#*"$key"} ;;
esac
printf %s "$devices" >domain
`;

/** domain.rng of Debian's libvirt0 package. */
async function domainSchema(): Promise<{ path: string } | { reason: string }> {
  const reason = await whyNoTools("xmllint");
  if (reason !== undefined) return { reason };
  try {
    return { path: `${await unpackedPackage("libvirt0")}/usr/share/libvirt/schemas/domain.rng` };
  } catch (error) {
    return { reason: String(error) };
  }
}

describe("trace-agent setup", () => {
  test("prints all of it into a pipe whose reader is slow, and ends silently when the reader goes", () => {
    const sh = (script: string): { stdout: string; stderr: string } => {
      const { stdout, stderr } = Bun.spawnSync(["sh", "-c", script, "sh", executable, `${base}/wide`]);
      return { stdout: stdout.toString().trim(), stderr: stderr.toString() };
    };
    const lines = (planSetup(1024).ports.length * 2 + planSetup(1024).controllers).toString();
    expect(sh('"$1" setup "$2" --cpus 1024 2>/dev/null | { sleep 0.5; wc -l; }').stdout).toBe(lines);
    expect(sh('"$1" setup "$2" --cpus 1024 --print libvirt | { sleep 0.2; head -1; }')).toMatchObject({
      stdout: "<controller type='virtio-serial' index='1' ports='16' vectors='35'/>",
      stderr: `trace-agent: ${base}/wide: nothing to make, all is there for 1024 CPUs\n`,
    });
  });
});
