/** The place of a session: a directory that is there, or one that is made, and taken away again when nothing is in it at the end. */
import type { Stats } from "node:fs";
import { Directory, placeError } from "../../base/directory.ts";
import { AgentError } from "../../base/errors.ts";
import { directoryPath, type Located, locate } from "../../base/locate.ts";
import { requireDirectoryName } from "../../base/output-place.ts";
import { isTrusted } from "../../base/owners.ts";
import { owned } from "./machine-directories.ts";

export class SessionPlace {
  readonly directory: Directory;
  /** Where it was made. */
  readonly #made: Pick<Located, "directory" | "name"> | undefined;

  private constructor(directory: Directory, made: Pick<Located, "directory" | "name"> | undefined) {
    this.directory = directory;
    this.#made = made;
  }

  /** `group`: that may read what is recorded. Throws an AgentError. */
  static open(given: string, group: number | undefined, action: string): SessionPlace {
    requireDirectoryName(given, action);
    const path = directoryPath(given);
    const { directory: parent, name, status } = locate(path, action);
    let place: SessionPlace | undefined;
    try {
      if (status !== undefined) requireOwn(status, path, action);
      else parent.makeDirectory(name, 0o700);
      const directory = new Directory(parent.child(name).fd, path);
      place = new SessionPlace(directory, status === undefined ? { directory: parent, name } : undefined);
      if (status === undefined) owned(directory, parent.status.uid, group);
      else parent.close();
      return place;
    } catch (cause) {
      if (place === undefined) parent.close();
      else place.close();
      throw cause instanceof AgentError ? cause : placeError(path, action, cause);
    }
  }

  close(): void {
    this.#takeAway();
    this.#made?.directory.close();
    this.directory.close();
  }

  #takeAway(): void {
    if (this.#made === undefined) return;
    const { directory: parent, name } = this.#made;
    try {
      // Somebody may have moved it, and have put another one there.
      if (parent.statusOf(name)?.ino === this.directory.status.ino && this.directory.list().length === 0)
        parent.removeDirectory(name);
    } catch {
      // It stays: something came into it, or it may not be removed. How the recording ended is not to be hidden by that.
    }
  }
}

function requireOwn(status: Stats, path: string, action: string): void {
  if (!status.isDirectory())
    throw new AgentError("usage", `cannot ${action} "${path}": it is no directory`, {
      remedy: "several machines are recorded into a directory: name a new one",
    });
  if (!isTrusted(status.uid))
    throw new AgentError(
      "permission",
      `cannot ${action} "${path}": it belongs to user ${status.uid}, who is neither you nor root`,
      { remedy: "give another name" },
    );
}
