/** A temporary directory that nobody else can read, rename or replace. */
import { mkdtempSync, realpathSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { AgentError, messageOf } from "./errors.ts";
import { isTrusted } from "./owners.ts";

/** Where temporary files go if TMPDIR is unset or a place that others could change (hier(7)). */
const usualPlaces = ["/tmp", "/var/tmp", "/run"];

/** The caller removes it. Throws an AgentError. */
export function makePrivateDirectory(): string {
  const told = process.env["TMPDIR"];
  const places = told === undefined || !told.startsWith("/") ? usualPlaces : [told, ...usualPlaces];
  let failure: unknown = new Error(`none of ${places.join(", ")} is safe from other users`);
  for (const place of places.filter(isSafe)) {
    try {
      return mkdtempSync(`${place.replace(/\/+$/, "")}/trace-agent-`);
    } catch (error) {
      failure = error;
    }
  }
  throw new AgentError("io", `cannot make a temporary directory: ${messageOf(failure)}`, {
    remedy: "name one of your own with TMPDIR",
    cause: failure,
  });
}

export function removePrivateDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

/** Whoever may write a parent directory, and owns it or finds it without the sticky bit, could replace its entries. */
function isSafe(place: string): boolean {
  try {
    for (let path = realpathSync(place); ; path = dirname(path)) {
      const { uid, mode } = statSync(path);
      if (!isTrusted(uid) || ((mode & 0o022) !== 0 && (mode & 0o1000) === 0)) return false;
      if (path === "/") return true;
    }
  } catch {
    return false;
  }
}
