/** When a guest stood still whose clock stood still with it: its host ran none of its vCPUs for so long. */
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import { timelineLimits } from "../limits.ts";
import type { Step } from "./eras.ts";
import { type Gap, hullOf, inBoth } from "./gaps.ts";
import { HostSwitches } from "./host-slices.ts";
import type { KnownOffset } from "./synchronise.ts";
import type { VcpuSlices } from "./vcpu-slices.ts";

/** The step, as well as the host's recording tells when it was. `before`, `after`: what is known of the offset there. */
export function findPause(
  host: TraceSource,
  tasks: readonly number[],
  step: Step<bigint>,
  before: KnownOffset,
  after: KnownOffset,
): Step<bigint> {
  const switches = new HostSwitches(host);
  const slices = switches.slicesOf(tasks);
  const { epoch } = switches;
  const early = before.range(Number(step.from - before.guestEpoch));
  const late = after.range(Number(step.to - after.guestEpoch));
  const [from, to] = [Number(step.from - epoch) + early.low, Number(step.to - epoch) + late.high];
  for (const vcpu of slices.vcpus) if (vcpu !== undefined) vcpu.keepFrom = from;
  switches.readTo(to);
  if (slices.switches === 0 || switches.end < to) return step;
  const least = step.by * timelineLimits.stepGapShare;
  const gaps = slices.vcpus
    .flatMap((vcpu) => vcpu ?? [])
    .reduce<Gap[]>((common, vcpu) => inBoth(common, gapsOf(vcpu, from, to), least), [{ low: from, high: to }]);
  const hull = hullOf(gaps);
  if (hull === undefined) return step;
  const [begin, end] = [BigInt(Math.floor(hull.low - early.high)), BigInt(Math.ceil(hull.high - late.low))];
  const found = { from: epoch + begin, to: epoch + end, by: step.by };
  return {
    ...found,
    from: found.from > step.from ? found.from : step.from,
    to: found.to < step.to ? found.to : step.to,
  };
}

function gapsOf(vcpu: VcpuSlices, from: number, to: number): Gap[] {
  return vcpu.withOpen(() => {
    const { begins, ends } = vcpu;
    const gaps: Gap[] = [];
    let last = from;
    for (let index = begins.start; index < begins.end; index++) {
      const begin = Math.min(begins.values[index] ?? to, to);
      if (begin > last) gaps.push({ low: last, high: begin });
      last = Math.max(last, ends.values[index] ?? last);
    }
    if (to > last) gaps.push({ low: last, high: to });
    return gaps;
  });
}
