/**
 * The accounting of a soak: every segment is read as soon as it is there. Within one life of a guest's agent its events are numbered
 * without a gap; between segments numbers may be missing where the recorder or the agent was killed, and nowhere is one there twice.
 */
import { existsSync, readFileSync } from "node:fs";
import { openTraceDat } from "../../src/trace-dat/read/reader.ts";
import { readSessionFile, type SessionFile, type SessionRecording } from "../../src/trace-dat/session/session-file.ts";
import type { TraceSource } from "../../src/trace-dat/trace-source.ts";
import { type Numbers, numbersIn } from "../support/numbered.ts";

/** Each life of an agent numbers its events from a multiple of this. */
export const numbersPerLife = 100_000_000;

type NumbersOf = (source: TraceSource) => Map<number, Numbers>;
type Place = { last: number; segment: number; traceId: string | undefined };

export class Accounting {
  readonly faults: string[] = [];
  segments = 0;
  events = 0;
  /** By machine, of those that are read in a way of their own. */
  readonly eventsOf = new Map<string, number>();
  /** Segments that --keep removed before they were read. */
  unread = 0;
  readonly #directory: string;
  readonly #readers: ReadonlyMap<string, NumbersOf>;
  readonly #seen = new Set<string>();
  /** By machine and CPU: the last number, and in which segment it was. */
  readonly #places = new Map<string, Place>();
  /** Numbers may be missing up to this segment of a machine: something was killed before it. */
  readonly #excused = new Map<string, number>();

  /** `readers`: of machines whose events are others than those of numbered.ts. */
  constructor(directory: string, readers: ReadonlyMap<string, NumbersOf>) {
    this.#directory = directory;
    this.#readers = readers;
  }

  /** Reads what is new. */
  read(): void {
    const session = this.session();
    for (const { name, recordings } of session?.machines ?? [])
      for (const recording of recordings.toSorted((a, b) => (a.number ?? 0) - (b.number ?? 0)))
        if (recording.state !== "recording") this.#take(name, recording);
  }

  /** The recorder, or the machine's agent, was killed: what was on its way is gone. */
  excuse(machine: string): void {
    this.#excused.set(machine, this.#newest(machine) + 3);
  }

  session(): SessionFile | undefined {
    const path = `${this.#directory}/session.json`;
    return existsSync(path) ? readSessionFile(readFileSync(path), path) : undefined;
  }

  #newest(machine: string): number {
    const recordings = this.session()?.machines.find(({ name }) => name === machine)?.recordings ?? [];
    return Math.max(0, ...recordings.map(({ number = 0 }) => number));
  }

  #take(machine: string, { file, number = 0, state, events = 0, traceId }: SessionRecording): void {
    if (this.#seen.has(file)) return;
    this.#seen.add(file);
    const path = `${this.#directory}/${file}`;
    const source = opened(path);
    if (source === undefined) {
      this.unread++;
      return;
    }
    try {
      let sum = 0;
      const own = this.#readers.get(machine);
      for (const [cpu, numbers] of (own ?? numbersIn)(source)) {
        sum += numbers.events;
        // A life's end within a segment is no gap of ours.
        for (const fault of numbers.faults) if (!this.#isLifeChange(fault)) this.#fault(file, fault, machine, number);
        this.#follow(`${machine}/${cpu}`, machine, numbers, { file, number, traceId });
      }
      if (sum !== events) this.faults.push(`${file}: session.json tells of ${events} events, it has ${sum}`);
      this.segments++;
      this.events += sum;
      if (own !== undefined) this.eventsOf.set(machine, (this.eventsOf.get(machine) ?? 0) + sum);
      if (state === "incomplete") this.#excused.set(machine, Math.max(this.#excused.get(machine) ?? 0, number + 1));
    } finally {
      source.close();
    }
  }

  #follow(
    place: string,
    machine: string,
    { first, last }: { first: number; last: number },
    { file, number, traceId }: { file: string; number: number; traceId: string | undefined },
  ): void {
    const before = this.#places.get(place);
    this.#places.set(place, { last, segment: number, traceId });
    if (before === undefined || lifeOf(first) !== lifeOf(before.last)) {
      if (before !== undefined && lifeOf(first) < lifeOf(before.last)) this.faults.push(`${file}: an earlier life`);
      return;
    }
    if (first <= before.last) this.faults.push(`${file}: ${place}: ${first} is there again, ${before.last} was`);
    // A recorder that was killed, and had more to write than three files, goes on as another recording.
    else if (first > before.last + 1 && number === before.segment + 1 && traceId === before.traceId)
      this.#fault(file, `${place}: ${first} after ${before.last}`, machine, number);
  }

  #isLifeChange(fault: string): boolean {
    const [, next, last] = /: (\d+) after (\d+)$/.exec(fault) ?? [];
    return next !== undefined && lifeOf(Number(next)) > lifeOf(Number(last));
  }

  #fault(file: string, text: string, machine: string, number: number): void {
    if (number > (this.#excused.get(machine) ?? 0)) this.faults.push(`${file}: ${text}`);
  }
}

/** Undefined if it was removed, be it just now. */
function opened(path: string): TraceSource | undefined {
  try {
    return openTraceDat(path);
  } catch (error) {
    if (existsSync(path)) throw error;
    return undefined;
  }
}

function lifeOf(number: number): number {
  return Math.floor(number / numbersPerLife);
}
