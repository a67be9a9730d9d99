/** The folders of a directory of tables: TABLE/date=D/host=H/guest=G, made when a file is to lie there. */
import { Directory, placeError } from "../../base/directory.ts";
import { AgentError, errnoOf } from "../../base/errors.ts";
import { give } from "../../base/give.ts";
import { directoryPath, locate } from "../../base/locate.ts";
import { type FileIdentity, requireApart, requireDirectoryName } from "../../base/output-place.ts";
import { isTrusted } from "../../base/owners.ts";
import { removeIfEmpty } from "../../base/remove-if-empty.ts";
import { closeFd, O } from "../../../ffi/fd.ts";
import { tryLock } from "../../../ffi/lock.ts";
import { columnListName } from "./column-list.ts";
import { parquetLimits } from "./limits.ts";

const action = "export to";
const lockTurnMs = 50;

/** The directory of all tables, which can take away what an export in it made. */
export class TablesDirectory extends Directory {
  /** If it was made: its name. */
  readonly #ownName: string | undefined;
  /** Folders that were made in it, as paths. */
  readonly #made: string[] = [];

  constructor(fd: number, path: string, ownName: string | undefined) {
    super(fd, path);
    this.#ownName = ownName;
  }

  noteMade(folder: string): void {
    this.#made.push(folder);
  }

  /**
   * Of an export that failed, if it made the directory: the directory and its folders, where they are empty. In a directory that was
   * there folders stay: another export may have one of them open, with a file that has no name yet.
   */
  removeMade(): void {
    const name = this.#ownName;
    if (name === undefined) return;
    try {
      whileLocked(this, () => {
        // One may hold files of an export that did not fail.
        for (const folder of this.#made.toReversed()) removeIfEmpty(`/proc/self/fd/${this.fd}/${folder}`);
        if (this.list().join() === columnListName) this.remove(columnListName);
        if (this.list().length === 0) this.removeItself(name);
      });
    } catch {
      // It stays. Why the export failed is not to be hidden by that.
    }
  }
}

/** Opens or makes the directory. Throws an AgentError. `inputs`: what is exported, which it must not be. */
export function openTables(given: string, group: number | undefined, inputs: readonly FileIdentity[]): TablesDirectory {
  requireDirectoryName(given, action);
  const path = directoryPath(given);
  const located = locate(path, action);
  const { directory: parent, name, status } = located;
  try {
    if (status !== undefined && !status.isDirectory())
      throw new AgentError("usage", `cannot ${action} "${path}": it is no directory`, {
        remedy: "tables are written into a directory: name a new one, or that of earlier exports",
      });
    requireApart(path, action, located, inputs);
    if (status !== undefined && !isTrusted(status.uid))
      throw new AgentError(
        "permission",
        `cannot ${action} "${path}": it belongs to user ${status.uid}, who is neither you nor root`,
        { remedy: "name another directory" },
      );
    const { folder, isMade } = subFolder(parent, name, group);
    return new TablesDirectory(folder.fd, path, isMade ? name : undefined);
  } catch (cause) {
    throw cause instanceof AgentError ? cause : placeError(path, action, cause);
  } finally {
    parent.close();
  }
}

/** The caller closes it. `names`: from the directory down. */
export function makeFolders(top: TablesDirectory, names: readonly string[], group: number | undefined): Directory {
  let here: Directory = top;
  for (const [index, name] of names.entries()) {
    const parent = here;
    try {
      const { folder, isMade } = subFolder(parent, name, group);
      here = folder;
      if (isMade) top.noteMade(names.slice(0, index + 1).join("/"));
    } finally {
      if (parent !== top) parent.close();
    }
  }
  return here;
}

function subFolder(parent: Directory, name: string, group: number | undefined): { folder: Directory; isMade: boolean } {
  try {
    return { folder: parent.child(name), isMade: false };
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  try {
    parent.makeDirectory(name, 0o700);
  } catch (error) {
    // Another export has made it meanwhile.
    if (errnoOf(error) !== "EEXIST") throw error;
    return { folder: parent.child(name), isMade: false };
  }
  const folder = parent.child(name);
  folder.use((fd) => give(fd, parent.status.uid, group, group === undefined ? 0o700 : 0o750));
  return { folder, isMade: true };
}

/** Removes files of a session in these partitions of some tables and any date: what an earlier export left. */
export function removeOthers(top: Directory, below: readonly string[], { isTable, isOld, kept }: OldFiles): void {
  for (const table of foldersIn(top, isTable)) {
    for (const date of foldersIn(table.directory, (name) => name.startsWith("date="))) {
      let here: Directory | undefined = date.directory;
      for (const name of below) here = here === undefined ? undefined : childOf(here, name, here !== date.directory);
      if (here !== undefined) {
        const path = [table.name, date.name, ...below].join("/");
        for (const name of here.list()) if (isOld(name) && !kept.has(`${path}/${name}`)) here.remove(name);
        here.close();
      }
      date.directory.close();
    }
    table.directory.close();
  }
}

function* foldersIn(
  parent: Directory,
  isOne: (name: string) => boolean,
): Iterable<{ name: string; directory: Directory }> {
  for (const name of parent.list()) {
    const directory = isOne(name) ? childOf(parent, name, false) : undefined;
    if (directory !== undefined) yield { name, directory };
  }
}

/** Undefined where there is no such directory. */
function childOf(parent: Directory, name: string, closes: boolean): Directory | undefined {
  try {
    return parent.child(name);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  } finally {
    if (closes) parent.close();
  }
}

/** `kept`: paths of files that stay. */
type OldFiles = {
  isTable: (name: string) => boolean;
  isOld: (name: string) => boolean;
  kept: ReadonlyMap<string, unknown>;
};

/** While `work` runs no other export changes names and columns here. */
export function whileLocked(top: Directory, work: () => void): void {
  const fd = top.open(".", O.RDONLY | O.DIRECTORY);
  try {
    const end = performance.now() + parquetLimits.lockMs;
    while (!tryLock(fd)) {
      if (performance.now() > end)
        throw new AgentError("io", `cannot ${action} "${top.path}": another export has been finishing there for long`, {
          remedy: "try again",
        });
      Bun.sleepSync(lockTurnMs);
    }
    work();
  } finally {
    closeFd(fd);
  }
}
