/** The vCPUs in what is shown together: which scheduling tells of them, and whose guests they are. */
import type { EventIterator } from "../../timeline/event-iterator.ts";
import type { RecordedPart } from "../../trace-dat/parts.ts";
import type { SchedulingSummary } from "../scheduling/summary.ts";
import { isMain, isOfGuest } from "./guest-parts.ts";
import { HostVcpus } from "./host-vcpus.ts";

type Begun = { part: RecordedPart; iterator: EventIterator; summary: SchedulingSummary };

export class VcpuViews {
  readonly #parts: readonly RecordedPart[];
  readonly #longest: number;
  readonly #begun: Begun[] = [];
  readonly #hosts = new Map<RecordedPart, HostVcpus>();

  /** `longest`: stalls of each guest. */
  constructor(parts: readonly RecordedPart[], longest: number) {
    this.#parts = parts;
    this.#longest = longest;
  }

  /** A part whose events will be read, before the first event of any part. */
  begin(begun: Begun): void {
    const { part, iterator, summary } = begun;
    if (!isMain(part, this.#parts)) return;
    const { guests = [] } = part.source.metadata;
    for (const hostPart of this.#hosts.keys()) this.#join(hostPart, begun);
    if (guests.length > 0) {
      const host = new HostVcpus(guests, summary.scheduling, iterator.epoch, this.#longest);
      this.#hosts.set(part, host);
      summary.alsoTold.push(host);
      for (const other of this.#begun) this.#join(part, other);
    }
    this.#begun.push(begun);
  }

  of(part: RecordedPart): HostVcpus | undefined {
    return this.#hosts.get(part);
  }

  #join(hostPart: RecordedPart, { part, iterator, summary }: Begun): void {
    const index = hostPart.source.metadata.guests?.findIndex((map) => isOfGuest(part, hostPart, map)) ?? -1;
    const host = this.#hosts.get(hostPart);
    const guest = host?.guests[index];
    if (host !== undefined && guest !== undefined)
      summary.alsoTold.push(host.guestTaker(guest, iterator.catalog, iterator.epoch));
  }
}
