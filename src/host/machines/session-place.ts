/** The place of a session: a directory that is there, or one that is made, and taken away again when nothing is in it at the end. */
import type { Stats } from "node:fs";
import { Directory, placeError } from "../../base/directory.ts";
import { AgentError } from "../../base/errors.ts";
import { directoryPath, locate } from "../../base/locate.ts";
import { requireDirectoryName } from "../../base/output-place.ts";
import { isTrusted } from "../../base/owners.ts";
import { owned } from "./machine-directories.ts";

export class SessionPlace {
  readonly directory: Directory;
  /** If it was made: its name. */
  readonly #made: string | undefined;

  private constructor(directory: Directory, made: string | undefined) {
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
      place = new SessionPlace(new Directory(parent.child(name).fd, path), status === undefined ? name : undefined);
      if (status === undefined) owned(place.directory, parent.status.uid, group);
      return place;
    } catch (cause) {
      place?.close();
      throw cause instanceof AgentError ? cause : placeError(path, action, cause);
    } finally {
      parent.close();
    }
  }

  close(): void {
    try {
      if (this.#made !== undefined && this.directory.list().length === 0) this.directory.removeItself(this.#made);
    } catch {
      // It stays: something came into it, or it may not be removed. How the recording ended is not to be hidden by that.
    }
    this.directory.close();
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
