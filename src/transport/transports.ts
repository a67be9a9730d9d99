/** All transports: another one is a file and a line here. */
import type { Stats } from "node:fs";
import { file } from "./file.ts";
import { fifo } from "./fifo.ts";
import { socket } from "./socket.ts";
import type { Chardev, GuestEnd, HostEnd, Transport } from "./transport.ts";
import { virtio } from "./virtio.ts";

const transports = {
  virtio,
  fifo,
  socket,
  // The last: it takes what is nothing else.
  file,
} as const satisfies Record<string, Transport>;

type Transports = typeof transports;
type ChardevEnd = HostEnd & { chardev: Chardev };
/** Those that end in a chardev of QEMU: setup can give them to a VM. */
export type HostTransport = {
  [K in keyof Transports]: Transports[K] extends { host: ChardevEnd } ? K : never;
}[keyof Transports];

const all: readonly Transport[] = Object.values(transports);
export const guestEnds: readonly GuestEnd[] = all.flatMap(({ guest }) => guest ?? []);
export const hostEnds: readonly HostEnd[] = all.flatMap(({ host }) => host ?? []);
export const hostTransports: readonly HostTransport[] = Object.keys(transports).filter(isOfHosts);

function isOfHosts(name: string): name is HostTransport {
  return hostEnds.some((end) => end.name === name && end.chardev !== undefined);
}

export function hostEnd(name: HostTransport): ChardevEnd {
  return transports[name].host;
}

/** The transport of an entry of a directory, or of stdout. */
export function guestEndOf(status: Stats): GuestEnd {
  return guestEnds.find(({ isOf }) => isOf?.(status) === true) ?? file.guest;
}
