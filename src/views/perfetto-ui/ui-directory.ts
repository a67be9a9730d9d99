/** The files of a directory: those that were there at the start. Links in it are not followed. */
import { AgentError } from "../../base/errors.ts";
import { Directory } from "../../base/directory.ts";
import { uiLimits } from "./limits.ts";
import { isPlainPath } from "./plain-path.ts";

export class UiDirectory {
  readonly #top: Directory;
  readonly #names = new Set<string>();

  /** Throws an AgentError, or the system's error. */
  constructor(path: string) {
    this.#top = Directory.openToRead(path);
    try {
      this.#list(this.#top, "", 0);
    } catch (error) {
      this.#top.close();
      throw error;
    }
  }

  get names(): Iterable<string> {
    return this.#names;
  }

  /** Undefined where there is none of that name. Throws what the system says. */
  read(name: string): Uint8Array<ArrayBuffer> | undefined {
    if (!this.#names.has(name)) return undefined;
    const folders = name.split("/");
    const file = folders.pop() ?? "";
    return readBelow(this.#top, folders, file);
  }

  close(): void {
    this.#top.close();
  }

  #list(directory: Directory, folder: string, depth: number): void {
    for (const entry of directory.list()) {
      const name = folder + entry;
      const status = isPlainPath(name) ? directory.statusOf(entry) : undefined;
      if (status?.isFile() === true) this.#names.add(name);
      if (this.#names.size > uiLimits.entriesMax)
        throw new AgentError("input", `cannot use "${this.#top.path}": it has more than ${uiLimits.entriesMax} files`);
      if (status?.isDirectory() !== true || depth >= uiLimits.depthMax) continue;
      const inner = directory.child(entry);
      try {
        this.#list(inner, `${name}/`, depth + 1);
      } finally {
        inner.close();
      }
    }
  }
}

function readBelow(
  directory: Directory,
  [folder, ...others]: readonly string[],
  file: string,
): Uint8Array<ArrayBuffer> {
  if (folder === undefined) return new Uint8Array(directory.read(file, uiLimits.fileBytes));
  const inner = directory.child(folder);
  try {
    return readBelow(inner, others, file);
  } finally {
    inner.close();
  }
}
