/**
 * A transport: a way between guest and host. One file holds both of its ends, and one line in transports.ts
 * registers it. Other code never asks which transport it has, only for these traits.
 */
import type { Stats } from "node:fs";

/** What the guest must know of an open port beyond its fd. Plain data: workers receive it in a message. */
export type PortTraits = {
  /** Orders and replies are separate directions: a writer does not read back what it wrote. */
  duplex: boolean;
  /** An fd opened for writing also reads. */
  oneFd: boolean;
  /** Only one process can have it open. */
  singleOpener: boolean;
  /**
   * Most bytes that one splice may hand over. A port that holds the guest's pages until the host has read them needs a bound;
   * Infinity: it bounds itself.
   */
  spliceMaxBytes: number;
  /** The same where the host acknowledges what it has read. */
  ackedSpliceMaxBytes: number;
  /** splice may take bytes out of the pipe, lose them and return 0. */
  mayDrop: boolean;
  /** splice may be refused with EINVAL, where write is not. */
  mayRefuseSplice: boolean;
  /** splice waits for room unless the fd itself is non-blocking, whatever the call's flag says. */
  waitsInSplice: boolean;
  /**
   * It stays without a host; poll then returns POLLHUP at once every time, and an edge-triggered watch reports a
   * host.
   */
  absentHost: boolean;
  /** A read of 0 bytes is the end: the host has hung up, and the port must be reopened. */
  hangsUp: boolean;
  /** It keeps what an earlier writer left, and a new one appends. */
  keeps: boolean;
};

/** What a CPU's data goes to. `shared`: several CPUs write to the same descriptor. */
export type Output = { fd: number; traits: PortTraits; shared: boolean };

export type GuestEnd = {
  traits: PortTraits;
  /** Traits that only some ports of this transport have. */
  traitsOf?: (path: string) => Partial<PortTraits>;
  /** The ports of this machine itself: path by name. */
  ports?: () => Map<string, string>;
  /** Whether ports of this machine may still appear. */
  portsMayCome?: () => boolean;
  /** Endings that an entry of --ports DIR may have after the port's name: of the one that is written, and of the one that is read. */
  endings?: { write: string; read: string };
  /** Opens a port, non-blocking. Throws SystemError. "write" is for data and replies, "read" for orders. */
  isOf?: (status: Stats) => boolean;
  /** Opens a port without waiting. Throws SystemError. "write" is for data and replies, "read" for orders. */
  open: (path: string, side: "write" | "read") => number;
};

export type HostEnd = {
  /** The word for it on the command line. */
  name: string;
  /** What messages call its entries. */
  plural: string;
  /** Endings of the entries that a port has in the guest's directory; none for a transport without entries. */
  endings: readonly string[];
  /** Finds the ports of the guest with this directory: `path` of HostPort by port name. Throws what reading a directory throws. */
  find: (directory: string) => Map<string, string>;
  /** Whether setup makes the entries, as FIFOs; else QEMU makes them. */
  madeBySetup: boolean;
  /** Whether /proc tells who has the entries open. */
  showsHolders: boolean;
  /** Data can be spliced from it into a file; else they go through a pipe. */
  splicesToFile: boolean;
  /** False: nobody holds the other end of the control port, so that it cannot be opened. Asked often, and changes nothing. */
  isHeld: (path: string) => boolean;
  /** Opens the control port without waiting; the two may be one fd. Throws SystemError or AgentError, with nothing left open. */
  openControl: (path: string) => { read: number; write: number };
  /** Bytes that were sent, or -errno. */
  send: (fd: number, bytes: Uint8Array<ArrayBuffer>) => number;
  /** Bytes of orders that nobody has read yet, of the fd that they are sent through. */
  unread: (fd: number) => number;
  /** Opens a data port to read from, without waiting. Throws as openControl. */
  openData: (path: string) => number;
  /** For a transport that ends in a chardev of QEMU: what setup tells QEMU and libvirt. */
  chardev?: Chardev;
};

export type Chardev = {
  /** The path that QEMU is given. `place`: the guest's directory, a slash, and the name of the port. */
  path: (place: string) => string;
  /** QEMU's -chardev: backend and its options. Commas of the path are written twice already. */
  qemu: (id: string, path: string) => string;
  /** libvirt's type of a <channel>, and the attributes of its <source>. The path is escaped already. */
  libvirtType: string;
  libvirtSource: (path: string) => string;
};

export type Transport = { guest?: GuestEnd; host?: HostEnd };
