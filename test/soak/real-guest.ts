/** The VM of a soak by hand: tasks in it write numbered markers; its agent is killed, and so is it. */
import { SubBufferCursor } from "../../src/ring-buffer/sub-buffer.ts";
import type { TraceSource } from "../../src/trace-dat/trace-source.ts";
import { executable } from "../support/agent-process.ts";
import { bootGuest } from "../support/guest.ts";
import type { Guest, GuestProcess } from "../support/guest-handle.ts";
import { takeTurn } from "../support/guest-turn.ts";
import { markerProgram } from "../support/marker-program.ts";
import type { Numbers } from "../support/numbered.ts";
import { prepareGuest } from "../support/prepared-guest.ts";
import { numbersPerLife } from "./accounting.ts";
import type { SoakVm } from "./soak.ts";

const cpus = 2;
/** So few that its ring buffer has room for all that comes while a full disk holds the recorder, for minutes. */
const perSecond = 100;

export class RealGuest implements SoakVm {
  readonly name = "real";
  readonly directory: string;
  readonly numbersIn = markersIn;
  readonly #prepared: ReturnType<typeof prepareGuest>;
  /** Kept from the first boot on: other tests must not hold the soak up. */
  #leaveTurn: (() => void) | undefined;
  #boots = 0;
  #guest: Guest | undefined;
  #agent: GuestProcess | undefined;

  constructor(folder: string) {
    this.directory = `${folder}/${this.name}`;
    this.#prepared = prepareGuest(this.directory, cpus, "fifo");
  }

  /** Of what was killed: the VM, or its agent alone. */
  async start(): Promise<void> {
    const guest = (this.#guest ??= await this.#boot());
    this.#agent = await guest.spawn("exec trace-agent");
    await this.#agent.says("armed: ");
  }

  async #boot(): Promise<Guest> {
    this.#leaveTurn ??= await takeTurn();
    const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };
    const guest = await bootGuest({ kernel: "6.12", cpus, prepared: this.#prepared, files });
    const first = this.#boots++ * numbersPerLife;
    const marker = "/sys/kernel/tracing/trace_marker";
    for (let cpu = 0; cpu < cpus; cpu++)
      await guest.spawn(`exec markers ${marker} ${cpu} ${first} ${numbersPerLife} ${perSecond}`);
    return guest;
  }

  /** Until its last thread has ended, its ports are taken. */
  async kill(): Promise<void> {
    await this.#agent?.kill("KILL");
    await this.#agent?.exitCode();
    this.#agent = undefined;
  }

  async killVm(): Promise<void> {
    const guest = this.#guest;
    this.#guest = undefined;
    this.#agent = undefined;
    await guest?.close();
  }

  async close(): Promise<void> {
    await this.killVm();
    this.#leaveTurn?.();
  }
}

/** By CPU: the numbers of its markers. */
function markersIn(source: TraceSource): Map<number, Numbers> {
  const { layout } = source.metadata;
  const found = new Map<number, Numbers>();
  const cursor = new SubBufferCursor(layout);
  const piece = Buffer.alloc(256 * 1024);
  const view = new DataView(piece.buffer, piece.byteOffset, piece.length);
  for (const reader of source.open()) {
    const numbers: Numbers = { events: 0, first: -1, last: -1, faults: [] };
    for (let got = reader.read(piece); got > 0; got = reader.read(piece))
      for (let at = 0; at + layout.sizeBytes <= got; at += layout.sizeBytes) {
        cursor.reset(view, at);
        while (cursor.next()) {
          const text = piece.toString("latin1", cursor.dataOffset, cursor.dataOffset + cursor.dataBytes);
          const [, cpu, number] = /MARK (\d+) (\d+)/.exec(text) ?? [];
          if (number === undefined) numbers.faults.push(`CPU ${reader.cpu}: an event that is no marker`);
          else if (Number(cpu) === reader.cpu) note(numbers, reader.cpu, Number(number));
          else numbers.faults.push(`CPU ${reader.cpu}: a marker of CPU ${cpu}`);
        }
      }
    if (numbers.events > 0) found.set(reader.cpu, numbers);
  }
  return found;
}

function note(numbers: Numbers, cpu: number, number: number): void {
  if (numbers.events === 0) numbers.first = number;
  else if (number !== numbers.last + 1) numbers.faults.push(`CPU ${cpu}: ${number} after ${numbers.last}`);
  numbers.last = number;
  numbers.events++;
}
