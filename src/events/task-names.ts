/**
 * Names of tasks by pid: those that were recorded, and those that events tell later of tasks without one. As many are kept
 * as fit; then the one that was told longest ago goes.
 *
 * A guest can name a new task in each of its events. So a name is a slot of a few arrays that grow, found by a hash table
 * in arrays: objects and strings of each task would be collected later than they are made.
 */
import type { ByteWriter } from "../base/byte-writer.ts";
import { log } from "../base/log.ts";
import { eventLimits } from "./limits.ts";
import { SavedNames } from "./saved-names.ts";

const slotBytes = eventLimits.taskNameBytes;
const pidWidth = 5;
const nameWidth = 16;
const space = 0x20;
/** A name, a pid and two signs; words, as a writer takes them. */
const columnsBytes = slotBytes + 16;
const columnsWords = columnsBytes / 4;

/** Slots of the names that no task gave: of one that has none, and of a CPU's idle task, which has pid 0 as all CPUs' have. */
const unknownSlot = 0;
const idleSlot = 1;
const firstSlot = 2;
const slotsMax = firstSlot + eventLimits.taskNames;
/** Room for so many at first; a power of two. */
const slotsAtFirst = 1024;

/** A start of its own in each run, so that a file cannot be made to have all its pids in one row of the table. */
const hashSeed = (Math.random() * 2 ** 32) | 0;
const hashFactor = (Math.random() * 2 ** 32) | 1;

export class TaskNames {
  /** All names, one in each `slotBytes`. */
  bytes = new Uint8Array(slotsAtFirst * slotBytes);
  /** How often a name was set, or went: as long as it is the same, all names are. */
  changes = 0;
  #lengths = new Uint8Array(slotsAtFirst);
  /** Doubles, since saved_cmdlines may name pids beyond 2^31. */
  #pids = new Float64Array(slotsAtFirst);
  /** By hash the first slot of a row, by slot the next; 0 ends it. */
  #rows = new Uint32Array(slotsAtFirst);
  #next = new Uint32Array(slotsAtFirst);
  #used = firstSlot;
  /** saved_cmdlines, until it was read; most recordings show a few of its tasks. */
  #saved: SavedNames | undefined;
  /** `            bash-1234  ` by the last digits of pids, as lines begin. */
  readonly #columns = new Uint8Array(eventLimits.taskColumns * columnsBytes);
  readonly #columnWords = new Int32Array(this.#columns.buffer);
  readonly #columnPids = new Float64Array(eventLimits.taskColumns).fill(NaN);
  readonly #columnLengths = new Uint8Array(eventLimits.taskColumns);
  /** Given away next, once all are used. */
  #oldest = firstSlot;
  /** Whether it was told that names go, since there are too many. */
  #toldForgotten = false;

  /** saved_cmdlines: "PID NAME" lines. */
  constructor(savedCommands: string) {
    this.#name(unknownSlot, Buffer.from("<...>"), 0, 5);
    this.#name(idleSlot, Buffer.from("<idle>"), 0, 6);
    this.#saved = new SavedNames(savedCommands);
  }

  /** The current saved_cmdlines: replaces known names. */
  takeSaved(savedCommands: string): void {
    if (this.#saved !== undefined) this.#readSaved(this.#saved);
    const saved = new SavedNames(savedCommands);
    saved.forEach((pid, from, length) => this.#set(pid, saved.bytes, from, length));
  }

  has(pid: number): boolean {
    return this.#find(pid) !== unknownSlot;
  }

  /** Where a task's name, or what stands for it, lies: `nameBytes(slot)` bytes of `bytes` from `slot * slotBytes` on. */
  slotOf(pid: number): number {
    return pid === 0 ? idleSlot : this.#find(pid);
  }

  offsetOf(slot: number): number {
    return slot * slotBytes;
  }

  lengthOf(slot: number): number {
    return this.#lengths[slot] ?? 0;
  }

  /** A copy. */
  get(pid: number): Uint8Array {
    const slot = this.slotOf(pid);
    return this.bytes.slice(slot * slotBytes, slot * slotBytes + this.lengthOf(slot));
  }

  /** The tasks of a name, each char of which is a byte. */
  pidsOf(name: string): number[] {
    const pids = this.#all().filter((pid) => this.text(pid) === name);
    return name === this.#textOf(idleSlot) ? [0, ...pids] : pids;
  }

  /** All names that are known, each once. */
  known(): string[] {
    return [...new Set(this.#all().map((pid) => this.text(pid)))];
  }

  /** The pids that have names. */
  #all(): number[] {
    if (this.#saved !== undefined) this.#readSaved(this.#saved);
    return [...this.#pids.subarray(firstSlot, this.#used)];
  }

  text(pid: number): string {
    return this.#textOf(this.slotOf(pid));
  }

  #textOf(slot: number): string {
    return Buffer.from(this.bytes.buffer, slot * slotBytes, this.lengthOf(slot)).toString("latin1");
  }

  /** Takes the name of a task that has none yet, up to its NUL. */
  learn(pid: number, bytes: Uint8Array, offset: number, size: number): void {
    if (pid !== 0 && this.#find(pid) === unknownSlot) this.#set(pid, bytes, offset, lengthOf(bytes, offset, size));
  }

  /** Takes the name that a task has now, up to its NUL: a live one changes it with exec. */
  rename(pid: number, bytes: Uint8Array, offset: number, size: number): void {
    if (pid === 0) return;
    const length = lengthOf(bytes, offset, size);
    if (!this.#isNamed(this.#find(pid), bytes, offset, length)) this.#set(pid, bytes, offset, length);
  }

  #isNamed(slot: number, bytes: Uint8Array, offset: number, length: number): boolean {
    if (slot === unknownSlot || this.#lengths[slot] !== length) return false;
    const names = this.bytes;
    const at = slot * slotBytes;
    for (let index = 0; index < length; index++) if (names[at + index] !== bytes[offset + index]) return false;
    return true;
  }

  /** `            bash-1234  `, as every line begins. */
  writeColumns(out: ByteWriter, pid: number): void {
    const place = pid & (eventLimits.taskColumns - 1);
    if (this.#columnPids[place] !== pid) this.#makeColumns(place, pid);
    out.words(this.#columnWords, place * columnsWords, this.#columnLengths[place] ?? 0);
  }

  #makeColumns(place: number, pid: number): void {
    const slot = this.slotOf(pid);
    const columns = this.#columns;
    const start = place * columnsBytes;
    const length = this.lengthOf(slot);
    let at = start;
    for (let left = nameWidth - length; left > 0; left--) columns[at++] = space;
    for (let index = 0; index < length; index++) columns[at++] = this.bytes[slot * slotBytes + index] ?? 0;
    const rest = `-${String(pid).padEnd(pidWidth)} `;
    for (let index = 0; index < rest.length; index++) columns[at++] = rest.charCodeAt(index);
    this.#columnLengths[place] = at - start;
    this.#columnPids[place] = pid;
  }

  #forgetColumns(pid: number): void {
    const place = pid & (eventLimits.taskColumns - 1);
    if (this.#columnPids[place] === pid) this.#columnPids[place] = NaN;
  }

  #find(pid: number): number {
    const slot = this.#findSlot(pid);
    return slot === unknownSlot && this.#saved !== undefined ? this.#findSaved(pid, this.#saved) : slot;
  }

  #findSlot(pid: number): number {
    const pids = this.#pids;
    const next = this.#next;
    let slot = this.#rows[this.#row(pid)] ?? 0;
    while (slot !== 0 && pids[slot] !== pid) slot = next[slot] ?? 0;
    return slot;
  }

  #findSaved(pid: number, saved: SavedNames): number {
    if (saved.find(pid)) {
      const slot = this.#newSlot(pid);
      this.#name(slot, saved.bytes, saved.foundAt, saved.foundBytes);
      return slot;
    }
    if (!saved.isWorn) return unknownSlot;
    this.#readSaved(saved);
    return this.#findSlot(pid);
  }

  /** Those that are known already were found there before, and may have changed since. */
  #readSaved(saved: SavedNames): void {
    this.#saved = undefined;
    const before = this.#used;
    saved.forEach((pid, from, length) => {
      const slot = this.#findSlot(pid);
      if (slot === unknownSlot || slot >= before) this.#set(pid, saved.bytes, from, length);
    });
  }

  #row(pid: number): number {
    const hash = Math.imul(pid ^ hashSeed, hashFactor);
    return (hash ^ (hash >>> 15)) & (this.#rows.length - 1);
  }

  #set(pid: number, bytes: Uint8Array, offset: number, length: number): void {
    const known = this.#find(pid);
    this.#forgetColumns(pid);
    this.#name(known === unknownSlot ? this.#newSlot(pid) : known, bytes, offset, length);
  }

  #name(slot: number, bytes: Uint8Array, offset: number, length: number): void {
    this.changes++;
    const names = this.bytes;
    const to = slot * slotBytes;
    for (let index = 0; index < length; index++) names[to + index] = bytes[offset + index] ?? 0;
    this.#lengths[slot] = length;
  }

  #newSlot(pid: number): number {
    const slot = this.#used < slotsMax ? this.#used++ : this.#giveUpOldest();
    if (slot >= this.#pids.length) this.#grow();
    this.#pids[slot] = pid;
    this.#link(slot, pid);
    return slot;
  }

  #link(slot: number, pid: number): void {
    const row = this.#row(pid);
    this.#next[slot] = this.#rows[row] ?? 0;
    this.#rows[row] = slot;
  }

  #giveUpOldest(): number {
    const slot = this.#oldest;
    this.#oldest = slot + 1 < slotsMax ? slot + 1 : firstSlot;
    const gone = this.#pids[slot] ?? 0;
    const row = this.#row(gone);
    const next = this.#next;
    this.#forgetColumns(gone);
    if (this.#rows[row] === slot) this.#rows[row] = next[slot] ?? 0;
    else {
      let before = this.#rows[row] ?? 0;
      while (before !== 0 && next[before] !== slot) before = next[before] ?? 0;
      next[before] = next[slot] ?? 0;
    }
    if (!this.#toldForgotten)
      log.warn(`more than ${eventLimits.taskNames} tasks have names: those that were told first are forgotten`);
    this.#toldForgotten = true;
    return slot;
  }

  #grow(): void {
    const slots = Math.min(this.#pids.length * 2, slotsMax);
    this.bytes = copied(this.bytes, new Uint8Array(slots * slotBytes));
    this.#lengths = copied(this.#lengths, new Uint8Array(slots));
    this.#pids = copied(this.#pids, new Float64Array(slots));
    this.#next = new Uint32Array(slots);
    this.#rows = new Uint32Array(this.#rows.length * 2);
    for (let slot = firstSlot; slot < this.#used - 1; slot++) this.#link(slot, this.#pids[slot] ?? 0);
  }
}

/** Up to the NUL, and no longer than a name may be. */
function lengthOf(bytes: Uint8Array, offset: number, size: number): number {
  const most = size < slotBytes ? size : slotBytes;
  let length = 0;
  while (length < most && (bytes[offset + length] ?? 0) !== 0) length++;
  return length;
}

function copied<T extends Uint8Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
