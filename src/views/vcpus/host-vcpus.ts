/**
 * The vCPUs of a host's guests, out of the scheduling of the host and of those guests that were recorded with it. A wait of a
 * vCPU's thread is a stall; what a loss cut is none, its length is not known.
 */
import type { EventCatalog } from "../../events/event-catalog.ts";
import type { GuestMap } from "../../events/trace-metadata.ts";
import { Longest } from "../scheduling/longest.ts";
import type { Scheduling } from "../scheduling/scheduling.ts";
import type { SchedSlice, SchedulingTaker, Wait } from "../scheduling/slices.ts";
import { schedulingLimits } from "../scheduling/limits.ts";
import { vcpuLimits } from "./limits.ts";
import { type Stall, VcpuTimes } from "./vcpu-times.ts";

export type GuestVcpus = {
  name: string;
  /** By the guest's CPU; undefined where the host's task is not known. */
  cpus: readonly (VcpuTimes | undefined)[];
  stalls: Longest<Stall>;
  /** The guest's own events are shown with the host's, on its clock. */
  isJoined: boolean;
};

export class HostVcpus implements SchedulingTaker {
  readonly guests: readonly GuestVcpus[];
  readonly scheduling: Scheduling;
  /** The host's stamps count from here. */
  readonly epoch: bigint;
  /** Some of the guests' vCPUs are left out. */
  readonly isCut: boolean;
  readonly #byTask = new Map<number, { times: VcpuTimes; guest: GuestVcpus }>();

  constructor(guests: readonly GuestMap[], scheduling: Scheduling, epoch: bigint, longest: number) {
    this.scheduling = scheduling;
    this.epoch = epoch;
    let left: number = vcpuLimits.vcpus;
    this.guests = guests.map(({ name, tasks }) => {
      const cpus: (VcpuTimes | undefined)[] = [];
      const guest = { name, cpus, stalls: new Longest<Stall>(longest), isJoined: false };
      for (const [vcpu, task] of tasks.slice(0, left).entries()) {
        cpus.push(this.#timesOf(vcpu, task, guest));
      }
      left -= cpus.length;
      return guest;
    });
    this.isCut = guests.some(({ tasks }, index) => tasks.length > (this.guests[index]?.cpus.length ?? 0));
  }

  slice({ pid, start, end }: SchedSlice): void {
    const known = this.#byTask.get(pid);
    if (known !== undefined) known.times.runNs += end - start;
  }

  wait({ pid, cause, start, end, cpu: ranOn, isEndCut }: Wait): void {
    const known = this.#byTask.get(pid);
    if (known === undefined) return;
    const { times, guest } = known;
    const stall: Stall = {
      vcpus: times.vcpus,
      cause,
      start,
      end,
      isEndCut,
      // A preempted thread waited where it had run; of one that was woken only the end says for which CPU it waited.
      cpu: cause === "preempted" ? (this.scheduling.tasks.find(pid)?.cpu ?? ranOn) : ranOn,
      ran: [],
      interruptsNs: 0,
      isWhole: false,
      wakeups: [],
      wakeupCount: 0,
    };
    if (guest.stalls.admits(end - start)) {
      Object.assign(stall, this.#meanwhile(stall));
      guest.stalls.add(end - start, stall);
    }
    times.addStall(stall);
  }

  /** Takes the wake-ups of a guest's own tasks. `epoch`: that of its stamps. */
  guestTaker(guest: GuestVcpus, catalog: EventCatalog, epoch: bigint): SchedulingTaker {
    guest.isJoined = true;
    const ahead = Number(epoch - this.epoch);
    return {
      wait: ({ pid, cause, cpu, start, end, isEndCut }) => {
        if (cause === "preempted" || isEndCut) return;
        const name = catalog.tasks.text(pid);
        guest.cpus[cpu]?.addWakeup({ pid, name, start: start + ahead, end: end + ahead, stalledNs: 0 });
      },
    };
  }

  /** A task that runs another guest cannot run this one. */
  #timesOf(vcpu: number, task: number, guest: GuestVcpus): VcpuTimes | undefined {
    const known = this.#byTask.get(task);
    if (known === undefined) {
      if (task <= 0) return undefined;
      const times = new VcpuTimes(vcpu, task);
      this.#byTask.set(task, { times, guest });
      return times;
    }
    if (known.guest !== guest) return undefined;
    known.times.vcpus.push(vcpu);
    return known.times;
  }

  #meanwhile({ cpu, start, end }: Stall): Pick<Stall, "ran" | "interruptsNs" | "isWhole"> {
    const { ran, interruptsNs, isWhole } = this.scheduling.meanwhile(cpu, start, end);
    return { ran: ran.slice(0, schedulingLimits.meanwhileTasks).map((one) => this.#named(one)), interruptsNs, isWhole };
  }

  #named<T extends { pid: number }>(ran: T): T & { name: string } {
    return { ...ran, name: ran.pid === 0 ? "" : this.scheduling.catalog.tasks.text(ran.pid) };
  }
}

/** Each thread once, in the order of its first vCPU; for itself a vCPU whose thread is not known. */
export function threadsOf({ cpus }: GuestVcpus): { vcpus: readonly number[]; times: VcpuTimes | undefined }[] {
  return cpus.flatMap((times, vcpu) => {
    if (times === undefined) return { vcpus: [vcpu], times };
    return times.vcpus[0] === vcpu ? { vcpus: times.vcpus, times } : [];
  });
}
