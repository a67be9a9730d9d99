/**
 * A directory that looks like a tracefs instance and needs no root: plain files for the settings, and a FIFO for each CPU's
 * trace_pipe_raw, into which the test puts what the ring buffer is to give. For the control plane with real workers.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeFd, O, openFd, readInto, writeFrom } from "../../ffi/fd.ts";
import { makeFifo, makePipe, type Pipe, setPipeSize } from "../../ffi/pipe.ts";
import { fifo } from "../../src/transport/fifo.ts";
import type { Output } from "../../src/transport/transport.ts";

export const fakeSubBufferBytes = 4096;
const headerPage = `	field: u64 timestamp;	offset:0;	size:8;	signed:0;
	field: local_t commit;	offset:8;	size:8;	signed:1;
	field: char data;	offset:16;	size:4080;	signed:0;
`;
const stats =
  "entries: 0\noverrun: 0\ncommit overrun: 0\nbytes: 0\ndropped events: 0\nread events: 0\nnow ts:     7.000000\n";
const files: Record<string, string> = {
  set_event: "",
  set_event_pid: "no pid\n",
  available_events: "sched:sched_switch\nirq:irq_handler_entry\n",
  trace_clock: "[local] global mono\n",
  tracing_on: "1\n",
  buffer_size_kb: "1408\n",
  "events/header_page": headerPage,
  "events/header_event": "x\n",
};

export class FakeTracing {
  readonly path = mkdtempSync(join(tmpdir(), "trace-agent-fake-tracing-"));
  readonly #rings = new Map<number, number>();
  readonly #outputs = new Map<number, Pipe>();

  constructor(cpus: readonly number[]) {
    mkdirSync(join(this.path, "events"));
    for (const [name, text] of Object.entries(files)) this.write(name, text);
    for (const cpu of cpus) {
      mkdirSync(join(this.path, `per_cpu/cpu${cpu}`), { recursive: true });
      this.write(`per_cpu/cpu${cpu}/stats`, stats);
      this.write(`per_cpu/cpu${cpu}/buffer_size_kb`, "1408\n");
      makeFifo(this.#raw(cpu), 0o600);
      // Held open for both ways, so that a worker that reads it never sees its end.
      this.#rings.set(cpu, openFd(this.#raw(cpu), O.RDWR | O.NONBLOCK));
      this.openReader(cpu);
    }
  }

  read(name: string): string {
    return readFileSync(join(this.path, name), "latin1").trim();
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.path, name), text);
  }

  remove(name: string): void {
    rmSync(join(this.path, name), { recursive: true });
  }

  /** What a worker writes to. It closes it when it ends, so that each gets a descriptor of its own. */
  output(cpu: number): Output {
    const { write } = this.#pipe(cpu);
    return { fd: openFd(`/proc/self/fd/${write}`, O.WRONLY | O.NONBLOCK), traits: fifo.guest.traits, shared: false };
  }

  /** Puts whole sub-buffers into the ring buffer of a CPU, each filled with its number. */
  fill(cpu: number, ...numbers: number[]): void {
    for (const number of numbers) {
      const written = writeFrom(
        this.#rings.get(cpu) ?? -1,
        new Uint8Array(new ArrayBuffer(fakeSubBufferBytes)).fill(number),
      );
      if (written !== fakeSubBufferBytes) throw new Error(`the ring buffer of CPU ${cpu} takes no more: ${written}`);
    }
  }

  /** The numbers of the sub-buffers that came out since the last call. */
  received(cpu: number): number[] {
    const bytes = new Uint8Array(new ArrayBuffer(1 << 20));
    const count = readInto(this.#pipe(cpu).read, bytes);
    return Array.from(
      { length: Math.max(0, count) / fakeSubBufferBytes },
      (_, index) => bytes[index * fakeSubBufferBytes] ?? 0,
    );
  }

  /** A new output, with a reader. */
  openReader(cpu: number): void {
    const output = makePipe(O.NONBLOCK);
    setPipeSize(output.write, 1 << 20);
    this.#outputs.set(cpu, output);
  }

  /** The reader of a CPU's output is gone: the next write to it fails. */
  closeReader(cpu: number): void {
    const pipe = this.#pipe(cpu);
    closeFd(pipe.read);
    closeFd(pipe.write);
    this.#outputs.delete(cpu);
  }

  close(): void {
    for (const fd of this.#rings.values()) closeFd(fd);
    for (const { read, write } of this.#outputs.values()) {
      closeFd(read);
      closeFd(write);
    }
    rmSync(this.path, { recursive: true, force: true });
  }

  #raw(cpu: number): string {
    return join(this.path, `per_cpu/cpu${cpu}/trace_pipe_raw`);
  }

  #pipe(cpu: number): Pipe {
    const pipe = this.#outputs.get(cpu);
    if (pipe === undefined) throw new Error(`CPU ${cpu} has no output`);
    return pipe;
  }
}
