/**
 * /run/trace-agent/recorders: a link to the directory of each recorder that runs as root, so that they can be found. A recorder that was killed
 * leaves its link, which the next one removes. Nothing depends on it, and nothing in it is believed: a link says where to ask.
 */
import { lstatSync, mkdirSync, readdirSync, readlinkSync, type Stats, symlinkSync, unlinkSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { hostLimits } from "../limits.ts";
import { isListening } from "./control-client.ts";

const parent = "/run/trace-agent";
const recordersFolder = `${parent}/recorders`;

/** `status`: of the directory. Returns what takes the link away again. */
export function registerRecorder(path: string, { dev, ino }: Stats, folder = recordersFolder): () => void {
  const link = `${folder}/${dev}-${ino}`;
  try {
    if (process.geteuid?.() !== 0) return () => {};
    if (folder === recordersFolder) makeOwn(parent);
    makeOwn(folder);
    removeStale(folder);
    remove(link);
    symlinkSync(resolve(path), link);
    return () => remove(link);
  } catch (error) {
    log.debug(`${path} is not listed in ${folder}: ${messageOf(error)}`);
    return () => {};
  }
}

/** Directories of recorders that run. */
export function listRecorders(folder = recordersFolder): string[] {
  return linksIn(folder)
    .map(targetOf)
    .filter((path) => path !== undefined)
    .filter(isListening)
    .sort();
}

function makeOwn(folder: string): void {
  const status = lstatSync(folder, { throwIfNoEntry: false });
  if (status === undefined) mkdirSync(folder, { mode: 0o700 });
  else if (!status.isDirectory() || status.uid !== 0 || (status.mode & 0o022) !== 0)
    throw new Error(`${folder} is not a directory of root's alone`);
}

function removeStale(folder: string): void {
  for (const link of linksIn(folder)) if (!isListening(targetOf(link) ?? "")) remove(link);
}

/** Undefined where its recorder took it away meanwhile. */
function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

function linksIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isSymbolicLink())
      .slice(0, hostLimits.registeredMax)
      .map(({ name }) => `${folder}/${name}`);
  } catch {
    return [];
  }
}

function remove(link: string): void {
  try {
    unlinkSync(link);
  } catch {
    // There is none, or another recorder removed it first.
  }
}
