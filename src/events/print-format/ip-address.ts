/** Internet addresses as printk writes them (Documentation/core-api/printk-formats.rst). */
import { type ByteWriter, constant } from "../../base/byte-writer.ts";
import type { EventRecord } from "../event-record.ts";

/** Linux' values of `sa_family`. */
const AF_INET = 2;
const AF_INET6 = 10;

export function ipv4(out: ByteWriter, bytes: Uint8Array, offset: number, padded = false, reverse = false): void {
  for (let index = 0; index < 4; index++) {
    if (index > 0) out.byte(0x2e);
    const value = bytes[offset + (reverse ? 3 - index : index)] ?? 0;
    if (padded) out.digits(value, 3);
    else out.small(value);
  }
}

export function ipv6(out: ByteWriter, bytes: Uint8Array, offset: number, colons: boolean): void {
  for (let index = 0; index < 16; index++) {
    if (colons && index > 0 && index % 2 === 0) out.byte(0x3a);
    out.hexByte(bytes[offset + index] ?? 0);
  }
}

/** RFC 5952: the longest run of zeros, if longer than one, as "::"; an embedded IPv4 address in its own form. */
export function ipv6Compressed(out: ByteWriter, bytes: Uint8Array, offset: number): void {
  const word = (index: number): number =>
    ((bytes[offset + index * 2] ?? 0) << 8) | (bytes[offset + index * 2 + 1] ?? 0);
  const mapped = [0, 1, 2, 3, 4].every((index) => word(index) === 0) && word(5) === 0xffff;
  const isatap = (word(4) | 0x0200) === 0x0200 && word(5) === 0x5efe;
  const words = mapped || isatap ? 6 : 8;
  let from = -1;
  let longest = 1;
  for (let start = 0; start < words; start++) {
    let run = 0;
    while (start + run < words && word(start + run) === 0) run++;
    if (run > longest) [from, longest] = [start, run];
  }
  let colon = false;
  for (let index = 0; index < words; index++) {
    if (index === from) {
      if (colon || index === 0) out.byte(0x3a);
      out.byte(0x3a);
      colon = false;
      index += longest - 1;
      continue;
    }
    if (colon) out.byte(0x3a);
    out.hex(0, word(index));
    colon = true;
  }
  if (words === 8) return;
  if (colon) out.byte(0x3a);
  ipv4(out, bytes, offset + 12);
}

const invalidIpv4 = constant("INVALIDIPv4");
const invalidIpv6 = constant("INVALIDIPv6");

type SocketAddressOptions = {
  port: boolean;
  compressed: boolean;
  padded: boolean;
  reverse: boolean;
  littleEndian: boolean;
};

/** A struct sockaddr_in or sockaddr_in6 at `offset` in the event; nothing for other families. */
export function socketAddress(
  out: ByteWriter,
  record: EventRecord,
  offset: number,
  size: number,
  options: SocketAddressOptions,
): void {
  if (size < 2) return;
  const at = record.at + offset;
  // The machine's order, as the kernel left it; addresses and ports are in the network's.
  const family = record.view.getUint16(at, options.littleEndian);
  if (family === AF_INET) {
    if (size < 16) {
      out.put(invalidIpv4);
      return;
    }
    ipv4(out, record.bytes, at + 4, options.padded, options.reverse);
    if (options.port) {
      out.byte(0x3a);
      out.decimal(record.view.getUint16(at + 2));
    }
  } else if (family === AF_INET6) {
    if (size < 28) {
      out.put(invalidIpv6);
      return;
    }
    if (options.port) out.byte(0x5b);
    if (options.compressed) ipv6Compressed(out, record.bytes, at + 8);
    else ipv6(out, record.bytes, at + 8, !options.padded);
    if (options.port) {
      out.byte(0x5d);
      out.byte(0x3a);
      out.decimal(record.view.getUint16(at + 2));
    }
  }
}
