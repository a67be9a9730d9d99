/** Opens a regular file to read. A FIFO, which would be waited for, a device and a directory are refused. */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { AgentError } from "./errors.ts";

/** Throws the system's error, or an AgentError. */
export function openRegular(path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new AgentError("input", `cannot read "${path}": it is not a regular file`);
}
