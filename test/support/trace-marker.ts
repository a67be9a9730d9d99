/** The shortest proof that an agent in a guest does its work: a marker goes from the ring buffer to the host. */
import type { Guest } from "./guest-handle.ts";
import { HostEnds } from "./host-ends.ts";

/** Orders start and stop, writes `marker` to trace_marker in between; true when a data port brought it. */
export async function tracesMarker(guest: Guest, marker: string): Promise<boolean> {
  using ends = new HostEnds(guest, { cpus: [0, 1] });
  await ends.ask("hello marker", "hello");
  await ends.ask("1", "start");
  await guest.run(`echo ${marker} >/sys/kernel/tracing/trace_marker`);
  await ends.ask("0", "stop");
  await ends.silence();
  return ends.readers.some((reader) => reader.take().includes(marker));
}
