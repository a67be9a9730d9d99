/** Recordings of a host and a guest of two vCPUs, as large as is asked for: switches of the vCPU threads, and events between them. */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { writeTraceDat } from "../../../src/trace-dat/write/write.ts";
import { fakeHeaderPage } from "../../support/fake-replies.ts";
import { metadata } from "../../timeline/sync/made-recording.ts";
import { mulberry } from "../../timeline/sync/schedules.ts";

export const vcpuTasks = [101, 102];
const hostEpoch = 5_000_000_000_000n;
const guestEpoch = 1_000_000_000_000n;
/** Host time minus guest time. */
export const madeOffset = hostEpoch - guestEpoch;

const pageBytes = 4096;
const headBytes = 16;
const eventBytes = 20;
const chunkPages = 256;
const [switchId, markId] = [1, 2];

/** `events`: of the guest, and as many switches of the host; so many of both per second. */
export function makeSession(folder: string, events: number, perSecond: number): { host: string; guest: string } {
  const random = mulberry(1);
  const host = vcpuTasks.map((_, cpu) => new StreamWriter(`${folder}/host.cpu${cpu}`, hostEpoch));
  const guest = vcpuTasks.map((_, cpu) => new StreamWriter(`${folder}/guest.cpu${cpu}`, guestEpoch));
  const period = 1e9 / (perSecond / 2 / vcpuTasks.length);
  for (const [vcpu, task] of vcpuTasks.entries()) {
    let at = 1_000;
    for (let slice = 0; slice < events / 2 / vcpuTasks.length; slice++) {
      const length = period * 0.3 * (0.5 + random());
      host[vcpu]?.add(at, switchId, 0, task);
      host[vcpu]?.add(at + length, switchId, task, 0);
      for (const share of [0.01, 0.99]) guest[vcpu]?.add(at + length * share, markId, 0, 0);
      at += length + period * 0.7 * (0.5 + random());
    }
  }
  const write = (name: string, streams: readonly StreamWriter[], traceId: bigint): string => {
    const path = `${folder}/${name}.dat`;
    for (const stream of streams) stream.close();
    const { layout, ...rest } = metadata;
    writeTraceDat(
      path,
      {
        metadata: { ...rest, headerPage: fakeHeaderPage, headerEvent: "x" },
        layout,
        cpus: streams.length,
        streams: streams.map((stream, cpu) => ({ cpu, path: stream.path, skipBytes: 0, bytes: stream.bytes })),
        version: "made",
        traceId,
      },
      "v6",
    );
    for (const stream of streams) rmSync(stream.path);
    return path;
  };
  return { host: write("host", host, hostEpoch), guest: write("vm1", guest, guestEpoch) };
}

/** Sub-buffers of events of 20 bytes, as made-recording.ts has them; events lie less than 2^27 ns apart. */
class StreamWriter {
  readonly path: string;
  bytes = 0;
  readonly #fd: number;
  readonly #epoch: bigint;
  readonly #chunk = new Uint8Array(pageBytes * chunkPages);
  readonly #view = new DataView(this.#chunk.buffer);
  #page = -1;
  #at = pageBytes;
  #last = 0;

  constructor(path: string, epoch: bigint) {
    this.path = path;
    this.#fd = openSync(path, "w");
    this.#epoch = epoch;
  }

  add(exact: number, id: number, first: number, second: number): void {
    const time = Math.round(exact);
    if (this.#at + eventBytes > pageBytes) this.#next(time);
    const view = this.#view;
    const at = this.#page * pageBytes + this.#at;
    view.setUint32(at, (4 | ((time - this.#last) << 5)) >>> 0, true);
    view.setUint16(at + 4, id, true);
    view.setInt32(at + 8, 0, true);
    view.setInt32(at + 12, first, true);
    view.setInt32(at + 16, second, true);
    this.#at += eventBytes;
    this.#last = time;
  }

  close(): void {
    this.#end();
    this.#flush();
    closeSync(this.#fd);
  }

  #next(time: number): void {
    this.#end();
    if (this.#page + 1 === chunkPages) this.#flush();
    this.#page++;
    this.#chunk.fill(0, this.#page * pageBytes, (this.#page + 1) * pageBytes);
    this.#view.setBigUint64(this.#page * pageBytes, this.#epoch + BigInt(time), true);
    this.#at = headBytes;
    this.#last = time;
  }

  #end(): void {
    if (this.#page >= 0) this.#view.setBigUint64(this.#page * pageBytes + 8, BigInt(this.#at - headBytes), true);
  }

  #flush(): void {
    const length = (this.#page + 1) * pageBytes;
    for (let written = 0; written < length;) written += writeSync(this.#fd, this.#chunk, written, length - written);
    this.bytes += length;
    this.#page = -1;
  }
}
