/**
 * A recorder of many guests that rotates, while it, the guests' agents, a VM and the room on its disk are taken away at random. Faults
 * are events that are missing or there twice, and what grew.
 */
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { TraceSource } from "../../src/trace-dat/trace-source.ts";
import { executable } from "../support/agent-process.ts";
import { bytesUnder } from "../support/bytes-under.ts";
import type { Numbers } from "../support/numbered.ts";
import { Random } from "../support/random.ts";
import { withSmallDisk } from "../support/small-disk.ts";
import { Accounting } from "./accounting.ts";
import { SoakGuest } from "./guests.ts";

const MiB = 1024 * 1024;
const diskBytes = 192 * MiB;
const keepBytes = 96 * MiB;
/** What the recorder leaves free; when others take it, it holds its guests. */
const freeBytes = 16 * MiB;
/** Of a recorder that runs for hours against itself when all guests were there: what a heap may be larger at one time than at another. */
const growthBytes = 48 * MiB;
const slowestMs = 300_000;
/** How often the segments are read, and the recorder is looked at. */
const lookMs = 200;
/** Of fewer looks at a recorder at work the halves are not compared. */
const samplesLeast = 20;
const ownGuests = 'mkdir -p /run/virtio-trace && mount -t tmpfs none /run/virtio-trace && exec "$@"';

/** `start`: of what was killed. */
type SoakMachine = { name: string; directory: string; start: () => Promise<void>; kill: () => Promise<void> };

/** A real guest: its agent is killed (`kill`), and so is QEMU. */
export type SoakVm = SoakMachine & {
  killVm: () => Promise<void>;
  close: () => Promise<void>;
  numbersIn: (source: TraceSource) => Map<number, Numbers>;
};

type Kill = "recorder" | "agent" | "disk" | "vm" | "agent in the vm";

export type SoakResult = {
  seed: number;
  segments: number;
  events: number;
  /** Of these, the real guest's. */
  eventsOfVm: number;
  unread: number;
  kills: Record<Kill, number>;
  mostBytes: number;
  memory: { first: number; last: number };
  descriptors: { first: number; last: number };
  faults: string[];
};

/** `makeVm`: a real guest beside the others, whose ports lie in the folder. */
export async function soak(
  seconds: number,
  seed: number,
  guestCount: number,
  makeVm?: (folder: string) => SoakVm,
): Promise<SoakResult> {
  let result: SoakResult | undefined;
  await withSmallDisk(`${diskBytes}`, async (disk) => {
    const folder = mkdtempSync(`${tmpdir()}/ta-soak-`);
    try {
      mkdirSync(`${folder}/guests`);
      const vm = makeVm?.(`${folder}/guests`);
      result = await new Soak({ disk, folder, seconds, seed, guestCount, vm }).run();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  if (result === undefined) throw new Error("the soak did not run");
  return result;
}

type Plan = {
  disk: string;
  folder: string;
  seconds: number;
  seed: number;
  guestCount: number;
  vm: SoakVm | undefined;
};

class Soak {
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #fakes: readonly SoakGuest[];
  readonly #out: string;
  readonly #filler: string;
  readonly #log: string;
  readonly #accounting: Accounting;
  readonly #kills: Record<Kill, number> = { recorder: 0, agent: 0, disk: 0, vm: 0, "agent in the vm": 0 };
  readonly #samples: { memory: number; descriptors: number }[] = [];
  #recorder: Bun.Subprocess | undefined;
  /** That were there when the recorder began. */
  #segmentsBefore = 0;
  #mostBytes = 0;
  #isFull = false;

  constructor(plan: Plan) {
    const { disk, folder, seed, guestCount, vm } = plan;
    this.#plan = plan;
    const random = new Random(seed);
    this.#random = random;
    this.#out = `${disk}/out`;
    this.#filler = `${disk}/filler`;
    this.#log = `${folder}/recorder.log`;
    this.#fakes = Array.from(
      { length: guestCount },
      (_, index) => new SoakGuest(`${folder}/guests`, `vm${index}`, random),
    );
    this.#accounting = new Accounting(this.#out, new Map(vm === undefined ? [] : [[vm.name, vm.numbersIn]]));
  }

  async run(): Promise<SoakResult> {
    const { seconds, vm } = this.#plan;
    const random = this.#random;
    this.#writeConfig();
    const kinds: Kill[] = ["recorder", "agent", "agent", "disk"];
    if (vm !== undefined) kinds.push("vm", "agent in the vm");
    const pauseMs = seconds < 60 ? 200 : 1000;
    try {
      for (const guest of this.#machines) await guest.start();
      this.#recorder = this.#start();
      // Other tests' guests may have been waited for.
      const end = performance.now() + seconds * 1000;
      let nextMs = performance.now() + pauseMs * (3 + random.below(5));
      // A slow machine has made no segment yet.
      while (performance.now() < end || (this.#accounting.segments === 0 && performance.now() < end + slowestMs)) {
        await Bun.sleep(lookMs);
        this.#look();
        if (performance.now() < nextMs) continue;
        nextMs = performance.now() + pauseMs * (2 + random.below(8));
        const what = random.pick(kinds);
        this.#kills[what]++;
        await this.#take(what);
      }
    } finally {
      rmSync(this.#filler, { force: true });
      this.#recorder?.kill("SIGTERM");
      await this.#recorder?.exited;
      for (const guest of this.#fakes) await guest.kill();
      await vm?.close();
    }
    this.#accounting.read();
    return this.#result();
  }

  get #machines(): readonly SoakMachine[] {
    const { vm } = this.#plan;
    return vm === undefined ? this.#fakes : [...this.#fakes, vm];
  }

  #writeConfig(): void {
    const { folder, seconds } = this.#plan;
    const lines = [
      `output = "${this.#out}"`,
      "join = true",
      `rotate = "${seconds < 60 ? "2s" : "10s"}"`,
      `keep = "${keepBytes / MiB}M"`,
      `free = "${freeBytes / MiB}M"`,
      ...this.#machines.map(({ name, directory }) => `[machines.${name}]\ndir = "${directory}"\n`),
    ];
    writeFileSync(`${folder}/record.toml`, lines.join("\n"));
  }

  #start(): Bun.Subprocess {
    const { folder } = this.#plan;
    this.#segmentsBefore = this.#accounting.segments;
    const log = openSync(this.#log, "a");
    try {
      // Guests of other tests are none of its own: joining looks below /run/virtio-trace.
      const words = ["unshare", "-m", "sh", "-c", ownGuests, "sh", executable, "record"];
      return Bun.spawn([...words, "--config", `${folder}/record.toml`], {
        // For symbols: those of this guest nobody else wants.
        env: { ...process.env, CACHE_DIRECTORY: `${folder}/symbols` },
        stdin: "ignore",
        stdout: "ignore",
        stderr: log,
      });
    } finally {
      closeSync(log);
    }
  }

  #look(): void {
    this.#accounting.read();
    this.#mostBytes = Math.max(this.#mostBytes, bytesUnder(this.#out));
    const recorder = this.#recorder;
    if (recorder === undefined) return;
    // One that is still starting has little of anything.
    if (this.#accounting.segments > this.#segmentsBefore) this.#samples.push(sample(recorder.pid));
    if (recorder.exitCode === null) return;
    const said = readFileSync(this.#log, "utf8").trimEnd().split("\n").slice(-10).join("\n");
    throw new Error(`the recorder ended with ${recorder.exitCode}\n${said}`);
  }

  async #take(what: Kill): Promise<void> {
    const { vm } = this.#plan;
    switch (what) {
      case "recorder": {
        for (const { name } of this.#machines) this.#accounting.excuse(name);
        const recorder = this.#recorder;
        recorder?.kill("SIGKILL");
        await recorder?.exited;
        this.#recorder = this.#start();
        return;
      }
      case "agent": {
        const guest = this.#random.pick(this.#fakes);
        return await this.#restart(guest, () => guest.kill());
      }
      case "vm":
        return vm === undefined ? undefined : await this.#meanwhile(this.#restart(vm, () => vm.killVm()));
      case "agent in the vm":
        return vm === undefined ? undefined : await this.#meanwhile(this.#restart(vm, () => vm.kill()));
      case "disk":
        this.#isFull = !this.#isFull;
        if (this.#isFull) writeFileSync(this.#filler, Buffer.alloc(diskBytes - keepBytes - freeBytes));
        else rmSync(this.#filler, { force: true });
    }
  }

  async #restart(machine: SoakMachine, kill: () => Promise<void>): Promise<void> {
    this.#accounting.excuse(machine.name);
    await kill();
    await machine.start();
  }

  /** Segments are read before they are removed. */
  async #meanwhile(work: Promise<void>): Promise<void> {
    const done = work.then(() => true);
    try {
      while (!(await Promise.race([done, Bun.sleep(lookMs).then(() => false)]))) this.#look();
    } finally {
      // Else it comes up when all has ended.
      await work;
    }
  }

  #result(): SoakResult {
    const { seed, vm } = this.#plan;
    const { segments, events, unread, faults: missing } = this.#accounting;
    const faults = [...missing];
    const mostBytes = this.#mostBytes;
    if (mostBytes > keepBytes) faults.push(`${mostBytes} bytes lay on the disk, ${keepBytes} were allowed`);
    const half = this.#samples.length / 2;
    const [first, last] = [this.#samples.slice(0, half), this.#samples.slice(half)].map(most);
    const memory = { first: first?.memory ?? 0, last: last?.memory ?? 0 };
    const descriptors = { first: first?.descriptors ?? 0, last: last?.descriptors ?? 0 };
    const isJudged = this.#samples.length >= samplesLeast;
    if (isJudged && memory.last > memory.first + growthBytes) faults.push(`memory grew: ${JSON.stringify(memory)}`);
    if (isJudged && descriptors.last > descriptors.first + 16)
      faults.push(`descriptors grew: ${JSON.stringify(descriptors)}`);
    if (segments === 0) faults.push("no segment was read");
    const eventsOfVm = vm === undefined ? 0 : (this.#accounting.eventsOf.get(vm.name) ?? 0);
    if (vm !== undefined && eventsOfVm === 0) faults.push("no event of the real guest was read");
    return { seed, segments, events, eventsOfVm, unread, kills: this.#kills, mostBytes, memory, descriptors, faults };
  }
}

function most(samples: readonly { memory: number; descriptors: number }[]): { memory: number; descriptors: number } {
  return {
    memory: Math.max(0, ...samples.map(({ memory }) => memory)),
    descriptors: Math.max(0, ...samples.map(({ descriptors }) => descriptors)),
  };
}

/** Of a process that may have ended. */
function sample(pid: number): { memory: number; descriptors: number } {
  try {
    const kB = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return { memory: Number(kB ?? 0) * 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return { memory: 0, descriptors: 0 };
  }
}
