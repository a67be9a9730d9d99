/** Fake guests of a test of several machines, and the directory that they are recorded into. */
import { afterAll, afterEach, beforeAll } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { makeGuestDirectory } from "../../src/host/setup/setup.ts";
import { planSetup } from "../../src/host/setup/setup-plan.ts";
import { readSessionFile, type SessionFile } from "../../src/trace-dat/session/session-file.ts";
import { eventually } from "./agent-process.ts";
import type { FakeAgentScript } from "./fake-agent.ts";
import { ServedGuests } from "./served-guest.ts";

let base = "";
const started: ServedGuests[] = [];
let count = 0;

/** In a file that has fake guests: they end with their test, and their directories with the file. */
export function endsGuests(): void {
  beforeAll(() => {
    base = mkdtempSync(`${tmpdir()}/ta-machines-`);
  });
  afterEach(async () => {
    for (const guests of started.splice(0)) await guests.end();
  });
  afterAll(() => rmSync(base, { recursive: true }));
}

export type World = { folder: string; out: string; guest: (name: string) => string };

export function newWorld(): World {
  const folder = `${base}/${++count}`;
  mkdirSync(folder);
  return { folder, out: `${folder}/out`, guest: (name) => `${folder}/${name}` };
}

export async function startGuest(directory: string, script: Partial<FakeAgentScript> = {}): Promise<ServedGuests> {
  return await startAgents({ [directory]: script });
}

/** By name. */
export async function startGuests(
  world: World,
  scripts: Record<string, Partial<FakeAgentScript>>,
): Promise<ServedGuests> {
  return await startAgents(
    Object.fromEntries(Object.entries(scripts).map(([name, script]) => [world.guest(name), script])),
  );
}

async function startAgents(scripts: Record<string, Partial<FakeAgentScript>>): Promise<ServedGuests> {
  const whole: Record<string, FakeAgentScript> = {};
  for (const [directory, script] of Object.entries(scripts)) {
    const one: FakeAgentScript = { cpus: 2, transport: "fifo", subBuffers: 20, ...script };
    if (!existsSync(directory)) makeGuestDirectory(directory, planSetup(one.cpus), one.transport, undefined);
    whole[directory] = one;
  }
  const guests = await ServedGuests.startAgents(whole);
  started.push(guests);
  return guests;
}

export function sessionOf({ out }: Pick<World, "out">): SessionFile {
  const path = `${out}/session.json`;
  return readSessionFile(readFileSync(path), path);
}

/** By machine the states of its recordings, or why it has none. */
export function statesOf(world: World): Record<string, unknown> {
  return Object.fromEntries(
    sessionOf(world).machines.map(({ name, leftOut, recordings }) => [
      name,
      leftOut ?? recordings.map(({ file, state, events }) => `${file} ${state} ${events ?? "?"}`),
    ]),
  );
}

/** Waits until all of these record. */
export async function recording(world: Pick<World, "out">, names: readonly string[]): Promise<void> {
  const records = (name: string): boolean =>
    sessionOf(world)
      .machines.find((machine) => machine.name === name)
      ?.recordings.at(-1)?.state === "recording";
  await eventually(
    () => existsSync(`${world.out}/session.json`) && names.every(records),
    `${names.join(", ")} are recorded`,
  );
}
