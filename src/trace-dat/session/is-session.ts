/** Whether a path is the directory of a session, and not a spool, which had a session.json of its own once. */
import { closeSync, readSync } from "node:fs";
import { openRegular } from "../../base/open-regular.ts";
import { sessionFileName, sessionKind } from "./names.ts";

/** The kind is the first key that we write. */
const headBytes = 256;

export function isSession(path: string): boolean {
  let fd: number;
  try {
    fd = openRegular(`${path}/${sessionFileName}`);
  } catch {
    return false;
  }
  try {
    const head = Buffer.alloc(headBytes);
    const got = readSync(fd, head, 0, headBytes, 0);
    return head.subarray(0, got).toString("latin1").includes(`"kind": "${sessionKind}"`);
  } finally {
    closeSync(fd);
  }
}
