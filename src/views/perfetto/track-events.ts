/** Packets of generic tracks and their slices (protos/perfetto/trace/track_event/*.proto). */
import { lengthWidth, Packet } from "./packets.ts";
import type { ProtoWriter } from "./proto-writer.ts";

const Descriptor = { uuid: 1, name: 2, parent: 5, childOrdering: 11, rank: 12 } as const;
const Event = { annotations: 4, type: 9, track: 11, name: 23 } as const;
const Annotation = { uint: 3, name: 10 } as const;
const [typeBegin, typeEnd] = [1, 2];
/** ChildTracksOrdering.EXPLICIT: by their ranks. */
const byRank = 3;
/** Chars of a name, and their bytes at most. */
const nameMost = 256;
const nameBytes = nameMost * 3;

/** `of`: the group in which it is, and its place there. */
export function trackDescriptor(
  out: ProtoWriter,
  { uuid, name, of }: { uuid: number; name: string; of?: { group: number; rank: number } },
): void {
  out.reserve(nameBytes + 128);
  const descriptor = out.begin(Packet.trackDescriptor, lengthWidth);
  out.uint(Descriptor.uuid, uuid);
  out.text(Descriptor.name, name.slice(0, nameMost));
  if (of === undefined) out.uint(Descriptor.childOrdering, byRank);
  else {
    out.uint(Descriptor.parent, of.group);
    out.uint(Descriptor.rank, of.rank);
  }
  out.end(descriptor, lengthWidth);
}

export function sliceBegin(
  out: ProtoWriter,
  { time, track, name, cpu }: { time: bigint; track: number; name: string; cpu: number },
): void {
  out.reserve(nameBytes + 128);
  out.bigint(Packet.timestamp, time);
  const event = out.begin(Packet.trackEvent, 2);
  out.uint(Event.type, typeBegin);
  out.uint(Event.track, track);
  out.text(Event.name, name.slice(0, nameMost));
  const annotation = out.begin(Event.annotations, 1);
  out.text(Annotation.name, "cpu");
  out.uint(Annotation.uint, cpu);
  out.end(annotation, 1);
  out.end(event, 2);
}

export function sliceEnd(out: ProtoWriter, { time, track }: { time: bigint; track: number }): void {
  out.bigint(Packet.timestamp, time);
  const event = out.begin(Packet.trackEvent, 2);
  out.uint(Event.type, typeEnd);
  out.uint(Event.track, track);
  out.end(event, 2);
}
