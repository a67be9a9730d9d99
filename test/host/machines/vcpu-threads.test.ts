/** The threads of a guest's CPUs: a process that has the names of QEMU's, over FIFOs and sockets. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { kvmThreads, namedThreads, processesOf, VcpuSearch } from "../../../src/host/machines/vcpu-threads.ts";
import type { GuestDirectory } from "../../../src/host/guest-directory.ts";
import { planSetup } from "../../../src/host/setup/setup-plan.ts";
import { makeGuestDirectory } from "../../../src/host/setup/setup.ts";
import { eventually } from "../../support/agent-process.ts";

const pidsOf = (guest: GuestDirectory): readonly number[] => processesOf([guest]).get(guest.path) ?? [];
const threadsOf = (guest: GuestDirectory): readonly number[] => new VcpuSearch([guest]).threads(guest, 2);

const base = mkdtempSync(`${tmpdir()}/ta-vcpus-`);
const held: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const process of held.splice(0)) {
    process.kill("SIGKILL");
    await process.exited;
  }
});
afterAll(() => rmSync(base, { recursive: true }));

function tasks(names: Record<number, string>): string {
  const root = mkdtempSync(`${base}/proc-`);
  for (const [task, name] of Object.entries(names)) {
    mkdirSync(`${root}/7/task/${task}`, { recursive: true });
    writeFileSync(`${root}/7/task/${task}/comm`, `${name}\n`);
  }
  return root;
}

describe("threads", () => {
  test("are known by the names that QEMU gives them, whatever their order", () => {
    const root = tasks({ 7: "qemu-system-x86", 12: "CPU 1/KVM", 11: "CPU 0/KVM", 13: "CPU 2/TCG", 14: "CPU 9/KVM" });
    expect(namedThreads(7, 4, root)).toEqual([11, 12, 13, -1]);
  });

  test("are one where one runs all CPUs", () => {
    expect(namedThreads(7, 3, tasks({ 7: "qemu", 8: "ALL CPUs/TCG" }))).toEqual([8, 8, 8]);
  });

  test("are not known where none has such a name, and then KVM tells them", () => {
    expect(namedThreads(7, 2, tasks({ 7: "CPU x/KVM", 8: "CPU 1/KVMX" }))).toBeUndefined();
    const root = mkdtempSync(`${base}/kvm-`);
    for (const [vcpu, task] of ["21", "22\n", "x"].entries()) {
      mkdirSync(`${root}/7-13/vcpu${vcpu}`, { recursive: true });
      writeFileSync(`${root}/7-13/vcpu${vcpu}/pid`, task);
    }
    expect(kvmThreads(7, 4, root)).toEqual([21, 22, -1, -1]);
    expect(kvmThreads(8, 4, root)).toBeUndefined();
  });
});

describe("the process of a guest", () => {
  test("is the one that holds its control port, a FIFO", async () => {
    const path = `${base}/fifo`;
    makeGuestDirectory(path, planSetup(1), "fifo", undefined);
    const guest = { guest: "vm1", path };
    expect(pidsOf(guest)).toEqual([]);
    const qemu = Bun.spawn(["sh", "-c", `exec 3<>${path}/agent-ctl-path.out; exec sleep 1000`]);
    held.push(qemu);
    await eventually(() => pidsOf(guest).includes(qemu.pid), "it is found");
    expect(threadsOf(guest)).toEqual([-1, -1]);
  });

  test("is the one that listens on its control port, a socket", async () => {
    const path = `${base}/socket`;
    makeGuestDirectory(path, planSetup(1), "socket", undefined);
    const listen = `require("net").createServer().listen("${path}/agent-ctl-path.sock")`;
    const qemu = Bun.spawn([process.execPath, "-e", listen]);
    held.push(qemu);
    await eventually(() => pidsOf({ guest: "vm1", path }).includes(qemu.pid), "it is found");
  });

  test("is none where the directory is gone", () => {
    expect(threadsOf({ guest: "vm1", path: `${base}/none` })).toEqual([-1, -1]);
  });

  test("is told apart from those of other guests, in one search, over FIFOs and sockets", async () => {
    const guests = (["fifo", "socket", "fifo"] as const).map((transport, index): GuestDirectory => {
      const path = `${base}/together${index}`;
      makeGuestDirectory(path, planSetup(1), transport, undefined);
      return { guest: `vm${index}`, path };
    });
    const [first, second, third] = guests.map(({ path }) => path);
    const listen = `require("net").createServer().listen("${second}/agent-ctl-path.sock")`;
    const holders = [
      Bun.spawn(["sh", "-c", `exec 3<>${first}/agent-ctl-path.out; exec sleep 1000`]),
      Bun.spawn([process.execPath, "-e", listen]),
      Bun.spawn(["sh", "-c", `exec 3<>${third}/agent-ctl-path.in; exec sleep 1000`]),
    ];
    held.push(...holders);
    await eventually(() => [...processesOf(guests).values()].every(({ length }) => length === 1), "all are found");
    expect([...processesOf(guests).values()]).toEqual(holders.map(({ pid }) => [pid]));
  });
});

test("a search is made once for all guests, and again for one that is recorded again", () => {
  const guests = ["vm1", "vm2"].map((guest): GuestDirectory => ({ guest, path: `${base}/${guest}` }));
  const searches: string[][] = [];
  const search = new VcpuSearch(guests, (wanted) => {
    searches.push(wanted.map(({ guest }) => guest));
    return new Map(wanted.map(({ path }) => [path, []]));
  });
  for (const guest of guests) expect(search.threads(guest, 1)).toEqual([-1]);
  expect(searches).toEqual([["vm1", "vm2"]]);
  for (const guest of guests) search.threads(guest, 1);
  expect(searches).toEqual([["vm1", "vm2"], ["vm1"], ["vm2"]]);
});
