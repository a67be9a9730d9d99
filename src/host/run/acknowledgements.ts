/**
 * Tells a guest how far its streams were taken, so that its ports may be given large pieces. One order tells of all CPUs, and few
 * are sent: whenever some CPU has brought `ackBytes` since. What the control port does not take now is told with the next:
 * nothing waits for it.
 */
import { writeOrder } from "../../protocol/orders.ts";
import type { StreamPosition } from "../../protocol/replies.ts";
import type { ControlPort } from "../../transport/host-port.ts";
import { hostLimits } from "../limits.ts";
import type { DataPortReader } from "./data-port-reader.ts";

type Stream = { cpu: number; reader: DataPortReader; fromBytes: number; toldBytes: number };

export class Acknowledgements {
  readonly #control: ControlPort;
  readonly #streams: readonly Stream[];

  /** `positions`: of the streams as the guest counts them, when nothing of them is on its way. */
  constructor(control: ControlPort, readers: readonly DataPortReader[], positions: readonly StreamPosition[]) {
    this.#control = control;
    this.#streams = positions.flatMap(({ cpu, bytes }) => {
      const reader = readers.find((one) => one.cpu === cpu);
      return reader === undefined ? [] : [{ cpu, reader, fromBytes: bytes - reader.cameBytes, toldBytes: -1 }];
    });
    this.tell();
  }

  /** Something was taken out of a port. */
  taken(reader: DataPortReader): void {
    const stream = this.#streams.find((one) => one.reader === reader);
    if (stream !== undefined && positionOf(stream) - stream.toldBytes >= hostLimits.ackBytes) this.tell();
  }

  /** Of all that was taken: who ends would otherwise leave a guest with pieces of which it does not know. */
  tell(): void {
    const news = this.#streams.filter((stream) => positionOf(stream) > stream.toldBytes);
    const orders = news.map((stream) => writeOrder({ order: "ack", cpu: stream.cpu, bytes: positionOf(stream) }));
    if (orders.length === 0 || !this.#control.offer(orders.join("\n"))) return;
    for (const stream of news) stream.toldBytes = positionOf(stream);
  }
}

function positionOf({ reader, fromBytes }: Stream): number {
  return fromBytes + reader.cameBytes;
}
