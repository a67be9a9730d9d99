/** Another user who lays traps for root: directories, files and links that belong to them. Needs root. */
import { chownSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";

/** Users and groups need not exist. */
export const mallory = { uid: 61_001, gid: 61_001 };

/** The environment of a root that nobody became by sudo. */
export const withoutSudo = { ...process.env, SUDO_UID: undefined, SUDO_GID: undefined };

export function theirDirectory(path: string): string {
  mkdirSync(path);
  chownSync(path, mallory.uid, mallory.gid);
  return path;
}

export function theirFile(path: string, content: string | Uint8Array): void {
  writeFileSync(path, content);
  chownSync(path, mallory.uid, mallory.gid);
}

export function theirLink(path: string, target: string): void {
  symlinkSync(target, path);
  lchownSync(path, mallory.uid, mallory.gid);
}
