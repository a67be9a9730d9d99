/** Directories of machines in that of a session: DIR/MACHINE/FILE, for segments and snapshots. */
import { basename } from "node:path";
import type { Directory } from "../../base/directory.ts";
import { AgentError } from "../../base/errors.ts";
import { give } from "../../base/give.ts";
import { OutputPlace } from "../../base/output-place.ts";
import { isTrusted } from "../../base/owners.ts";

export class MachineDirectories {
  readonly #parent: Directory;
  readonly #group: number | undefined;
  readonly #opened = new Map<string, Directory>();

  /** `parent` stays the caller's. */
  constructor(parent: Directory, group: number | undefined) {
    this.#parent = parent;
    this.#group = group;
  }

  /** Of FILE of "MACHINE/FILE"; the machine's directory is made where there is none. Throws an AgentError. */
  place(machine: string, file: string): OutputPlace {
    return OutputPlace.in(this.#directory(machine), basename(file), { group: this.#group, isNew: true });
  }

  /** Throws an AgentError where the machine's entry is no directory: nothing is known of its files then. */
  has(machine: string, file: string): boolean {
    if (this.#parent.statusOf(machine) === undefined) return false;
    return this.#directory(machine).statusOf(basename(file))?.isFile() === true;
  }

  /** Of the machine's directory; none where there is none. */
  list(machine: string): string[] {
    if (this.#parent.statusOf(machine) === undefined) return [];
    return this.#directory(machine).list();
  }

  remove(machine: string, file: string): void {
    if (this.has(machine, file)) this.#directory(machine).remove(basename(file));
  }

  close(): void {
    for (const [name, own] of this.#opened) {
      if (own.list().length === 0) this.#parent.removeDirectory(name);
      own.close();
    }
    this.#opened.clear();
  }

  #directory(machine: string): Directory {
    let own = this.#opened.get(machine);
    if (own !== undefined) return own;
    if (this.#parent.statusOf(machine) === undefined) {
      this.#parent.makeDirectory(machine, 0o700);
      const made = this.#parent.child(machine);
      owned(made, this.#parent.status.uid, this.#group);
      made.close();
    }
    if (this.#parent.statusOf(machine)?.isDirectory() !== true)
      throw new AgentError("io", `cannot record to "${this.#parent.path}": ${machine} in it is no directory`, {
        remedy: "put the directory itself there (a link is not followed, mount --bind does), or name another one",
      });
    own = this.#parent.child(machine);
    if (!isTrusted(own.status.uid)) {
      own.close();
      throw new AgentError(
        "permission",
        `cannot record to "${this.#parent.path}": ${machine} belongs to somebody else`,
      );
    }
    this.#opened.set(machine, own);
    return own;
  }
}

/** Gives a new directory to the owner of the one that it is in. */
export function owned(directory: Directory, uid: number, group: number | undefined): void {
  directory.use((fd) => give(fd, uid, group, group === undefined ? 0o700 : 0o750));
}
