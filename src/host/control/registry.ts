/**
 * A link to the directory of each recorder that runs, so that they can be found: in /run/trace-agent/recorders of root's, in
 * $XDG_RUNTIME_DIR/trace-agent/recorders of another user's. A recorder that was killed leaves its link, which the next one removes.
 * Nothing depends on it, and nothing in it is believed: a link says where to ask. Root sees those of users, too, and asks where all
 * on the way belongs to that user; users see those of root that they may ask (record --group).
 */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { sessionControl } from "../../trace-dat/session/names.ts";
import { hostLimits } from "../limits.ts";
import { isListening } from "./control-client.ts";

/** Of root, and of all users that have logged in (pam_systemd(8)). */
const rootsFolder = "/run/trace-agent/recorders";
const usersFolder = "/run/user";

/** `uid`: of the user whose it is, where that is neither root nor ourselves. */
export type ListedRecorder = { readonly path: string; readonly uid?: number };

/** `status`: of the directory. Returns what takes the link away again. */
export function registerRecorder(path: string, { dev, ino }: Stats, folder = ownFolder()): () => void {
  if (folder === undefined) return () => {};
  const link = `${folder}/${dev}-${ino}`;
  try {
    // Beside it lies what an agent notes.
    makeOwn(dirname(folder), 0o711);
    makeOwn(folder, 0o755);
    removeStale(folder);
    remove(link);
    symlinkSync(resolve(path), link);
    return () => remove(link);
  } catch (error) {
    log.debug(`${path} is not listed in ${folder}: ${messageOf(error)}`);
    return () => {};
  }
}

/** Recorders that run, and that may be asked. */
export function listRecorders(folder = ownFolder(), users = usersFolder, roots = rootsFolder): ListedRecorder[] {
  const isRoot = process.geteuid?.() === 0;
  const own = folder === undefined ? [] : targetsIn(folder);
  const ofRoot = isRoot || !isDirectoryOf(roots, 0) ? [] : targetsIn(roots);
  const listed: ListedRecorder[] = [...new Set([...own, ...ofRoot])].map((path) => ({ path }));
  const all = isRoot ? listed.concat(ofUsers(users)) : listed;
  return all.filter(({ path }) => isListening(path, own.includes(path))).sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** None for a user who has no directory for what runs. */
function ownFolder(): string | undefined {
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) return rootsFolder;
  const runtime = process.env["XDG_RUNTIME_DIR"] ?? `${usersFolder}/${uid}`;
  return runtime.startsWith("/") ? `${runtime}/trace-agent/recorders` : undefined;
}

function ofUsers(users: string): ListedRecorder[] {
  return namesIn(users).flatMap((name) => {
    const uid = /^[1-9]\d{0,9}$/.test(name) ? Number(name) : -1;
    const folder = `${users}/${name}/trace-agent/recorders`;
    if (![`${users}/${name}`, dirname(folder), folder].every((path) => isDirectoryOf(path, uid))) return [];
    return targetsIn(folder)
      .filter((path) => isRecorderOf(path, uid))
      .map((path) => ({ path, uid }));
  });
}

function isDirectoryOf(path: string, uid: number): boolean {
  const status = statusOf(path);
  return status?.isDirectory() === true && status.uid === uid;
}

/** A link of theirs may lead anywhere. */
function isRecorderOf(path: string, uid: number): boolean {
  const socket = statusOf(`${path}/${sessionControl}`);
  return isDirectoryOf(path, uid) && socket?.isSocket() === true && socket.uid === uid;
}

function statusOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

/** `mode`: that it has at least, whatever the umask; an agent makes such a directory for itself alone. */
function makeOwn(folder: string, mode: number): void {
  const status = lstatSync(folder, { throwIfNoEntry: false });
  if (status === undefined) mkdirSync(folder, { mode: 0o700 });
  else if (!status.isDirectory() || status.uid !== process.geteuid?.() || (status.mode & 0o022) !== 0)
    throw new Error(`${folder} is not a directory of this user's alone`);
  chmodSync(folder, ((status?.mode ?? 0) & 0o777) | mode);
}

function removeStale(folder: string): void {
  for (const link of linksIn(folder)) {
    const path = targetOf(link);
    if (path !== undefined && !isListening(path)) remove(link);
  }
}

/** Undefined for what is no link, and where its recorder took it away meanwhile. */
function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

function targetsIn(folder: string): string[] {
  return linksIn(folder).flatMap((link) => targetOf(link) ?? []);
}

function linksIn(folder: string): string[] {
  return namesIn(folder).map((name) => `${folder}/${name}`);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).slice(0, hostLimits.registeredMax);
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
