/**
 * What a recorder may use of its host beside the disk: descriptors and memory. A machine for which there is no room is not recorded, and
 * tried again; where memory grows all the same, the machine that came last is given up.
 */
import { setDescriptorLimit } from "../../../ffi/exec.ts";
import { descriptorsHard } from "../../base/descriptors.ts";
import { AgentError } from "../../base/errors.ts";
import { ownMemoryBytes } from "../../base/own-memory.ts";
import { hostLimits, MiB } from "../limits.ts";

/** `usedBytes`: how much memory there is in use, if not what this process has. */
export type OwnBounds = {
  memoryBytes?: number | undefined;
  descriptors?: number | undefined;
  usedBytes?: (() => number) | undefined;
};

/** Beyond it nothing is opened; without a bound all that the system allows. */
export function limitDescriptors({ descriptors }: OwnBounds): void {
  const most = descriptorsHard();
  if (most !== undefined) setDescriptorLimit(descriptors ?? most);
}

export class MemoryBound {
  readonly #bytes: number;
  readonly #used: () => number;
  /** Looks in a row at which it was over. */
  #over = 0;
  #lookMs = -Infinity;

  constructor({ memoryBytes = Infinity, usedBytes = ownMemoryBytes }: OwnBounds = {}) {
    this.#bytes = memoryBytes;
    this.#used = usedBytes;
  }

  /** Throws an AgentError where no further machine is taken: it would be given up soon. */
  requireRoom(name: string): void {
    if (this.#used() <= this.#bytes * (1 - hostLimits.memoryRoomShare)) return;
    throw new AgentError(
      "unavailable",
      `cannot record "${name}": the recorder uses what it may of memory, ${this.text}`,
      { remedy: "raise --max-memory, or record fewer machines" },
    );
  }

  /** Whether there is too much, and not for a moment only. */
  isOver(now = performance.now()): boolean {
    if (this.#bytes === Infinity || now < this.#lookMs) return false;
    this.#lookMs = now + hostLimits.memoryLookMs;
    this.#over = this.#used() > this.#bytes ? this.#over + 1 : 0;
    if (this.#over === 0) return false;
    if (this.#over < hostLimits.memoryLooks) {
      Bun.gc(true);
      return false;
    }
    this.#over = 0;
    return true;
  }

  get text(): string {
    return `--max-memory ${Math.round(this.#bytes / MiB)}M`;
  }
}
