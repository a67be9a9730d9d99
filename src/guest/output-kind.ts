/** What a stream flows into. The kinds differ in how much may be in flight, in how they hang up and in what splice does. */

export type OutputKind = "virtio" | "fifo" | "socket" | "file";
