/** The files of Perfetto's UI, out of its zip or a directory, by name. */
import { statSync } from "node:fs";
import { placeError } from "../../base/directory.ts";
import { AgentError } from "../../base/errors.ts";
import { UiDirectory } from "./ui-directory.ts";
import { ZipArchive } from "./zip-archive.ts";

export type UiFiles = {
  /** Undefined where there is none of that name. Throws where it cannot be read. */
  read(name: string): Uint8Array<ArrayBuffer> | undefined;
  close(): void;
};

const start = "index.html";

/** Throws an AgentError, also where it is no UI. */
export function openUiFiles(path: string): UiFiles {
  try {
    const files = statSync(path).isDirectory() ? new UiDirectory(path) : new ZipArchive(path);
    const folder = folderOf([...files.names]);
    if (folder !== undefined) return { read: (name) => files.read(folder + name), close: () => files.close() };
    files.close();
  } catch (error) {
    throw error instanceof AgentError ? error : placeError(path, "open", error);
  }
  throw new AgentError("input", `cannot use "${path}": it has no ${start}`, {
    remedy: "give perfetto-ui.zip of a release of Perfetto, or the directory that it unpacks to",
  });
}

/** "", or the only folder at the top, as who packs a folder has it. */
function folderOf(names: readonly string[]): string | undefined {
  if (names.includes(start)) return "";
  const tops = new Set(names.map((name) => name.slice(0, name.indexOf("/") + 1)));
  const [top = ""] = tops;
  return tops.size === 1 && names.includes(top + start) ? top : undefined;
}
