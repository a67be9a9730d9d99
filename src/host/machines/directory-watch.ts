/**
 * Tells which directories changed: by inotify, in the port loop. Where that cannot be had (the kernel has none, or the user has used up
 * what is allowed) each refresh counts as a change, which is said once. A directory that was removed and made anew is found by a refresh,
 * whatever inotify told: one that somebody holds open is silent.
 */
import { statSync, type Stats } from "node:fs";
import { SystemError } from "../../../ffi/errno.ts";
import { Inotify } from "../../../ffi/inotify.ts";
import { IN } from "../../../ffi/inotify-events.ts";
import { messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { type PortLoop, Served } from "../run/port-loop.ts";

type Watched = { watch: number; dev: number; ino: number };

export class DirectoryWatch {
  readonly #loop: Pick<PortLoop, "watch" | "unwatch">;
  readonly #inotify: Inotify | undefined;
  readonly #watched = new Map<string, Watched>();
  readonly #paths = new Map<number, string>();
  readonly #changed = new Set<string>();
  #isSaid = false;

  constructor(loop: Pick<PortLoop, "watch" | "unwatch">, open: () => Inotify = () => new Inotify()) {
    this.#loop = loop;
    try {
      this.#inotify = open();
      loop.watch(this.#inotify.fd, () => this.#read());
    } catch (error) {
      this.#say(error);
    }
  }

  /** Some directory changed since the last `take`. */
  get hasNews(): boolean {
    return this.#changed.size > 0;
  }

  /** Watches these, and no others. Those that are new, that are others than they were, or cannot be watched, have changed. */
  refresh(paths: Iterable<string>): void {
    const wanted = new Set(paths);
    for (const path of this.#watched.keys()) if (!wanted.has(path)) this.#forget(path);
    for (const path of wanted) {
      const status = statusOf(path);
      const known = this.#watched.get(path);
      if (known !== undefined && known.ino === status?.ino && known.dev === status.dev) continue;
      if (known !== undefined) this.#forget(path);
      if (known !== undefined || status !== undefined) this.#changed.add(path);
      if (status !== undefined) this.#add(path, status);
    }
  }

  /** Those that changed since the last call. */
  take(): ReadonlySet<string> {
    const taken = new Set(this.#changed);
    this.#changed.clear();
    return taken;
  }

  close(): void {
    if (this.#inotify === undefined) return;
    this.#loop.unwatch(this.#inotify.fd);
    this.#inotify.close();
  }

  #add(path: string, { dev, ino }: Stats): void {
    try {
      const watch = this.#inotify?.watch(path);
      // Another path of the same directory: only one of them is told of.
      if (watch === undefined || this.#paths.has(watch)) return;
      this.#watched.set(path, { watch, dev, ino });
      this.#paths.set(watch, path);
    } catch (error) {
      this.#say(error);
    }
  }

  #forget(path: string): void {
    const known = this.#watched.get(path);
    if (known === undefined) return;
    this.#watched.delete(path);
    this.#paths.delete(known.watch);
    this.#inotify?.unwatch(known.watch);
  }

  #read(): Served {
    for (const { watch, mask } of this.#inotify?.changes() ?? []) {
      // What was dropped may have been of any of them.
      if ((mask & IN.Q_OVERFLOW) !== 0) for (const path of this.#watched.keys()) this.#changed.add(path);
      const path = this.#paths.get(watch);
      if (path === undefined) continue;
      this.#changed.add(path);
      if ((mask & IN.IGNORED) === 0) continue;
      this.#watched.delete(path);
      this.#paths.delete(watch);
    }
    return Served.all;
  }

  #say(error: unknown): void {
    if (!(error instanceof SystemError)) throw error;
    // Gone between two calls, or not ours to read: a refresh finds it again.
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(error.code) || this.#isSaid) return;
    this.#isSaid = true;
    log.info(`directories of guests are looked at each second, since they cannot be watched: ${messageOf(error)}`);
  }
}

function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
