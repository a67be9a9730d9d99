/**
 * The folder of one group's temporary files, its TMPDIR: a group that is killed cannot take them away, and what one leaves meets
 * no other.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "../tracefs.ts";

/** Of this, and of copies of the Debian tree. Short: paths of sockets below it have 107 bytes. */
const namePattern = /^(?:ta-gate|copy)-(\d+)-/;
const logsName = "logs";
/** Bun puts headers of its C compiler there for a process that calls a function by its address (ffi/tsc.ts), and leaves them. */
const runtimePattern = /^bun-cc-\d+$/;

export class GroupFolder {
  readonly path: string;
  /** Of the consoles of guests. */
  readonly logs: string;

  /** `parent`: a directory for temporary files. */
  constructor(parent = tmpdir()) {
    this.path = mkdtempSync(join(parent, `ta-gate-${process.pid}-`));
    // As /tmp: tests run programs as other users.
    chmodSync(this.path, 0o1777);
    this.logs = join(this.path, logsName);
    mkdirSync(this.logs, { mode: 0o700 });
  }

  get environment(): Record<string, string> {
    return { TMPDIR: this.path, TRACE_AGENT_TEST_LOGS: this.logs };
  }

  /** What the group should have removed itself. */
  get left(): string[] {
    return readdirSync(this.path).filter((name) => name !== logsName && !runtimePattern.test(name));
  }

  remove(): void {
    removeTree(this.path);
  }
}

/** Removes the folders of processes that have ended, and with `own` those of this one. */
export function removeLeftFolders({ own = false, parent = tmpdir() } = {}): void {
  for (const name of readdirSync(parent)) {
    const pid = namePattern.exec(name)?.[1];
    if (pid === undefined || (pid === `${process.pid}` ? !own : isAlive(pid))) continue;
    removeTree(join(parent, name));
  }
}

/** Never what is mounted there: where that cannot be unmounted, all stays. */
function removeTree(path: string): void {
  for (const place of mountsBelow(path).reverse()) spawnSync("umount", ["-l", place]);
  if (mountsBelow(path).length === 0) spawnSync("rm", ["-rf", "--one-file-system", path]);
}

function mountsBelow(path: string): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) =>
      (line.split(" ")[1] ?? "").replaceAll(/\\(\d{3})/g, (_, code) =>
        String.fromCharCode(parseInt(code as string, 8)),
      ),
    )
    .filter((place) => place.startsWith(`${path}/`));
}
