/**
 * Uses up what fs.pipe-user-pages-soft lets this process's user have in pipes. Privileged processes go on as before; one of the
 * same user without CAP_SYS_RESOURCE and CAP_SYS_ADMIN gets pipes of two pages, and no larger ones. The setting itself is the
 * whole machine's: other tests run meanwhile.
 */
import { readFileSync } from "node:fs";
import { closeFd } from "../../ffi/fd.ts";
import { makePipe, type Pipe, setPipeSize } from "../../ffi/pipe.ts";

const pageBytes = 4096;
const pipeBytes = 2 ** 20;

export class PipeQuota {
  readonly #pipes: Pipe[] = [];

  constructor() {
    const pages = Number(readFileSync("/proc/sys/fs/pipe-user-pages-soft", "latin1"));
    if (pages === 0) throw new Error("fs.pipe-user-pages-soft is 0: there is no quota to use up");
    // One more than all: only what is above the quota is refused.
    for (let used = 0; used <= pages; used += pipeBytes / pageBytes) {
      const pipe = makePipe();
      this.#pipes.push(pipe);
      const size = setPipeSize(pipe.write, pipeBytes);
      if (size !== pipeBytes) throw new Error(`a pipe of ${pipeBytes} bytes cannot be had: ${size}`);
    }
  }

  [Symbol.dispose](): void {
    for (const { read, write } of this.#pipes) {
      closeFd(read);
      closeFd(write);
    }
  }
}

/** Runs the program behind it as this user without what lifts the quota. */
export const withinQuota = [
  "setpriv",
  "--bounding-set",
  "-sys_resource,-sys_admin",
  "--inh-caps",
  "-sys_resource,-sys_admin",
];
