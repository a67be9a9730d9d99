/**
 * What `set KEY VALUE` may change of the tracing directory (../settings/): a few files, no more.
 *
 * A value is checked against this guest before anything is changed, the earlier value is noted before it is
 * changed, and a change that fails half-way is undone. What a session changed is restored at its end.
 */
import { AgentError, errnoOf, messageOf } from "../../base/errors.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import type { SettableKey } from "../../protocol/orders.ts";
import { guestLimits } from "../limits.ts";
import type { Change } from "../settings/place.ts";
import { keyOf, placeOf, planOf, rankOf } from "../settings/setting-table.ts";

/** The earlier value of a place, by the place's id. */
export type EarlierValue = { key: string; value: string };

/** Where the earlier values are kept for a successor, should this process be killed. */
export type Notes = {
  add: (key: string, value: string) => void;
  /** Everything was restored. */
  clear: () => void;
};

type Planned = Change & { before: string };

export class Settings {
  readonly #directory: string;
  readonly #notes: Notes;
  /** By the place's id. */
  readonly #before = new Map<string, string>();
  /** Places that a trigger may change later: they stay noted although they seem unchanged. */
  readonly #pinned = new Set<string>();
  #notedChars = 0;

  constructor(tracingDirectory: string, notes: Notes) {
    this.#directory = tracingDirectory;
    this.#notes = notes;
  }

  /** Whether something must be restored. */
  get changed(): boolean {
    return this.#before.size > 0;
  }

  /** Sets `key`, all of the value or nothing, and returns the earlier value. */
  set(key: SettableKey, value: string): string {
    const changes: Planned[] = [];
    for (const { place, text, always } of planOf(this.#directory, key, value, (id) => this.#before.get(id)))
      changes.push({ place, text, always, before: place.read() });
    const writes = changes.filter(
      ({ text, before, always }) => text !== undefined && (always === true || text !== before),
    );
    const noted = changes.filter((change) => change.text === undefined || writes.includes(change));
    const pinned = new Set(this.#pinned);
    this.#note(key, noted);
    const done: Planned[] = [];
    try {
      for (const change of writes) {
        done.push(change);
        change.place.write(change.text ?? "");
      }
    } catch (error) {
      for (const change of done.toReversed()) this.#takeBack(change);
      // A trigger that was set for a moment may have switched tracing.
      for (const change of changes.filter(({ text }) => text === undefined)) this.#takeBack(change);
      for (const { place } of noted) if (!pinned.has(place.id)) this.#pinned.delete(place.id);
      throw error;
    } finally {
      for (const change of noted) this.#forgetIfBack(change);
    }
    return previousText(changes);
  }

  /** Takes the notes of a killed process's session. Returns what is not plausible. */
  adopt(values: readonly EarlierValue[]): string[] {
    const refused: string[] = [];
    for (const { key, value } of values) {
      const place = placeOf(this.#directory, key);
      if (place?.accepts(value) === true && value.length <= protocolLimits.settingChars) this.#before.set(key, value);
      else refused.push(`${key}: not a valid ${key}`);
    }
    return refused;
  }

  /** Restores what is still changed, of these keys or of all; returns what could not be restored. */
  restore(keys: readonly SettableKey[] = []): string[] {
    const failures: string[] = [];
    const ids = [...this.#before.keys()].sort((a, b) => rankOf(a) - rankOf(b));
    for (const id of ids) {
      if (keys.length > 0 && !keys.includes(keyOf(id))) continue;
      const value = this.#before.get(id);
      if (value === undefined) continue;
      try {
        failures.push(...(placeOf(this.#directory, id)?.putBack(value) ?? []));
      } catch (error) {
        failures.push(messageOf(error));
        // It stays noted, and is tried again when the next session ends, when this agent ends, and by its successor.
        if (isTemporary(error)) continue;
      }
      this.#before.delete(id);
      this.#pinned.delete(id);
    }
    this.#clearIfNone();
    return failures;
  }

  /** The same, key by key: a tracer and functions take seconds in an emulated guest, and timers have their turn in between. */
  async restoreByAndBy(
    keys: readonly SettableKey[],
    whileHeld: (restore: () => string[]) => string[],
  ): Promise<string[]> {
    const changed = [...this.#before.keys()].sort((a, b) => rankOf(a) - rankOf(b)).map(keyOf);
    const failures: string[] = [];
    for (const key of new Set(changed)) {
      if (keys.length > 0 && !keys.includes(key)) continue;
      failures.push(...whileHeld(() => this.restore([key])));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return failures;
  }

  /** Throws if a successor could not read all of the notes. */
  #note(key: SettableKey, changes: readonly Planned[]): void {
    const fresh = changes.filter(({ place }) => !this.#before.has(place.id));
    const chars = fresh.reduce((sum, { place, before }) => sum + place.id.length + before.length, 0);
    if (this.#notedChars + chars > guestLimits.notedChars)
      throw new AgentError(
        "unavailable",
        `cannot set ${key}: the earlier values are too long to be noted and restored`,
      );
    this.#notedChars += chars;
    for (const { place, before } of fresh) {
      this.#notes.add(place.id, before);
      this.#before.set(place.id, before);
    }
    for (const { place, text } of changes) if (text === undefined) this.#pinned.add(place.id);
  }

  /** After a failure: part of the change may have been made. */
  #takeBack({ place, before }: Planned): void {
    try {
      place.putBack(before);
    } catch {
      // It stays noted and is tried again at the end of the session. The first error is the one to report.
    }
  }

  #forgetIfBack({ place }: Planned): void {
    if (this.#pinned.has(place.id)) return;
    try {
      if (this.#before.get(place.id) === place.read()) this.#before.delete(place.id);
    } catch {
      return;
    }
    this.#clearIfNone();
  }

  #clearIfNone(): void {
    if (this.#before.size > 0) return;
    this.#notedChars = 0;
    this.#notes.clear();
  }
}

/** A reader of trace_pipe keeps the tracer, for as long as it reads. */
function isTemporary(error: unknown): boolean {
  const errno = error instanceof AgentError ? errnoOf(error.cause) : undefined;
  return errno !== undefined && ["EBUSY", "EAGAIN", "EINTR", "ENOMEM"].includes(errno);
}

/** In a form that `set` takes if the key has one place; else each place with its earlier value. */
function previousText(changes: readonly Planned[]): string {
  const [first, ...more] = changes;
  if (first !== undefined && more.length === 0 && !first.place.id.includes(" ")) return first.before;
  const lines = changes.filter(({ text }) => text !== undefined).map(({ place, before }) => `${place.id}: ${before}`);
  return lines.join("; ").slice(0, protocolLimits.settingChars);
}
