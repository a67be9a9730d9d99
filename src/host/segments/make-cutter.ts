/** What --rotate and --last ask for, as what cuts the recording. */
import { protocolLimits } from "../../protocol/limits.ts";
import type { Cutter } from "../machines/cutter.ts";
import type { SessionDirectory } from "../machines/session-directory.ts";
import type { Latency } from "../run/guest-settings.ts";
import type { PortLoop } from "../run/port-loop.ts";
import { Ring, type RingOptions } from "./ring.ts";
import type { RotateEvery } from "./cut-parts.ts";
import { Rotation } from "./rotation.ts";
import { type Free, type Keep, SegmentStore } from "./segment-store.ts";

export type CutOptions = { keep: Keep; free: Free } & ({ rotate: RotateEvery } | { ring: RingOptions });

export function makeCutter(
  directory: SessionDirectory,
  { latency, past }: { latency: Latency | undefined; past: boolean },
  cut: CutOptions,
  loop: PortLoop,
  stop: (why: string) => void,
): Cutter {
  const store = new SegmentStore(directory, cut.keep, cut.free);
  const parts = {
    latencyMs: latency?.ms ?? protocolLimits.latencyMsDefault,
    past,
    // One poll that does not wait.
    turn: () => loop.until(0, () => true),
    stop,
  };
  return "rotate" in cut
    ? new Rotation(store, { ...parts, every: cut.rotate })
    : new Ring(store, { ...parts, ...cut.ring });
}
