/**
 * `npm run soak [-- MINUTES [SEED]]`: a recorder of many guests that rotates, while it, the guests' agents and the room on its disk are
 * taken away at random. 60 minutes. Prints what it measured; ends with 1 where an event is missing or there twice, or something grew.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { bytesUnder } from "../support/bytes-under.ts";
import { executable } from "../support/agent-process.ts";
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
const ownGuests = 'mkdir -p /run/virtio-trace && mount -t tmpfs none /run/virtio-trace && exec "$@"';

export type SoakResult = {
  seed: number;
  segments: number;
  events: number;
  unread: number;
  kills: { recorder: number; agent: number; disk: number };
  mostBytes: number;
  memory: { first: number; last: number };
  descriptors: { first: number; last: number };
  faults: string[];
};

export async function soak(seconds: number, seed: number, guestCount: number): Promise<SoakResult> {
  let result: SoakResult | undefined;
  await withSmallDisk(`${diskBytes}`, async (disk) => {
    const folder = mkdtempSync(`${tmpdir()}/ta-soak-`);
    try {
      result = await run({ disk, folder, seconds, seed, guestCount });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  if (result === undefined) throw new Error("the soak did not run");
  return result;
}

type Plan = { disk: string; folder: string; seconds: number; seed: number; guestCount: number };

async function run({ disk, folder, seconds, seed, guestCount }: Plan): Promise<SoakResult> {
  const random = new Random(seed);
  const out = `${disk}/out`;
  const filler = `${disk}/filler`;
  mkdirSync(`${folder}/guests`);
  const guests = Array.from(
    { length: guestCount },
    (_, index) => new SoakGuest(`${folder}/guests`, `vm${index}`, random),
  );
  const config = `${folder}/record.toml`;
  const machines = guests.map(({ name, directory }) => `[machines.${name}]\ndir = "${directory}"\n`);
  const rotate = seconds < 60 ? "2s" : "10s";
  writeFileSync(
    config,
    `output = "${out}"\njoin = true\nrotate = "${rotate}"\nkeep = "${keepBytes / MiB}M"\nfree = "${freeBytes / MiB}M"\n${machines.join("")}`,
  );
  const accounting = new Accounting(out);
  const kills = { recorder: 0, agent: 0, disk: 0 };
  const samples: { memory: number; descriptors: number }[] = [];
  let mostBytes = 0;
  const start = (): Bun.Subprocess =>
    // Guests of other tests are none of its own: joining looks below /run/virtio-trace.
    Bun.spawn(["unshare", "-m", "sh", "-c", ownGuests, "sh", executable, "record", "--config", config], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
  for (const guest of guests) await guest.start();
  let recorder = start();
  const end = Date.now() + seconds * 1000;
  const pauseMs = seconds < 60 ? 200 : 1000;
  let nextMs = Date.now() + pauseMs * (3 + random.below(5));
  let isFull = false;
  try {
    // A slow machine has made no segment yet.
    while (Date.now() < end || (accounting.segments === 0 && Date.now() < end + slowestMs)) {
      await Bun.sleep(200);
      accounting.read();
      mostBytes = Math.max(mostBytes, bytesUnder(out));
      samples.push(sample(recorder.pid));
      if (recorder.exitCode !== null) throw new Error(`the recorder ended with ${recorder.exitCode}`);
      if (Date.now() < nextMs) continue;
      nextMs = Date.now() + pauseMs * (2 + random.below(8));
      const what = random.pick(["recorder", "agent", "agent", "disk"] as const);
      kills[what]++;
      if (what === "agent") {
        const guest = random.pick(guests);
        accounting.excuse(guest.name);
        await guest.kill();
        await guest.start();
      } else if (what === "recorder") {
        for (const { name } of guests) accounting.excuse(name);
        recorder.kill("SIGKILL");
        await recorder.exited;
        recorder = start();
      } else {
        isFull = !isFull;
        if (isFull) writeFileSync(filler, Buffer.alloc(diskBytes - keepBytes - freeBytes));
        else rmSync(filler, { force: true });
      }
    }
  } finally {
    rmSync(filler, { force: true });
    recorder.kill("SIGTERM");
    await recorder.exited;
    for (const guest of guests) await guest.kill();
  }
  accounting.read();
  const faults = [...accounting.faults];
  if (mostBytes > keepBytes) faults.push(`${mostBytes} bytes lay on the disk, ${keepBytes} were allowed`);
  const [first, last] = [samples.slice(0, samples.length / 2), samples.slice(samples.length / 2)].map(most);
  const memory = { first: first?.memory ?? 0, last: last?.memory ?? 0 };
  const descriptors = { first: first?.descriptors ?? 0, last: last?.descriptors ?? 0 };
  if (memory.last > memory.first + growthBytes) faults.push(`memory grew: ${JSON.stringify(memory)}`);
  if (descriptors.last > descriptors.first + 16) faults.push(`descriptors grew: ${JSON.stringify(descriptors)}`);
  if (accounting.segments === 0) faults.push("no segment was read");
  return {
    seed,
    segments: accounting.segments,
    events: accounting.events,
    unread: accounting.unread,
    kills,
    mostBytes,
    memory,
    descriptors,
    faults,
  };
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

if (import.meta.main) {
  const [minutes = "60", seed = `${Date.now() % 1_000_000_000}`] = process.argv.slice(2);
  console.log(`${minutes} minutes, seed ${seed}`);
  const result = await soak(Number(minutes) * 60, Number(seed), 8);
  console.log(JSON.stringify(result, undefined, 2));
  process.exitCode = result.faults.length === 0 ? 0 : 1;
}
