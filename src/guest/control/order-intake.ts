/**
 * Orders on their way from the control port to main: decoded as their bytes arrive, kept while main works on
 * earlier ones, then passed on together. The control worker keeps reading meanwhile, so that an order which needs
 * nothing of main can be answered at once (`atOnce`). All others wait here; when many wait, the rest waits in the
 * port.
 */
import { takeAckLines } from "../../protocol/ack-lines.ts";
import { OrderDecoder } from "../../protocol/order-decoder.ts";
import type { Order } from "../../protocol/orders.ts";
import { guestLimits } from "../limits.ts";
import { collapse } from "./collapse.ts";

export class OrderIntake {
  readonly #atOnce: (order: Order) => boolean;
  #decoder = new OrderDecoder();
  #waiting: Order[] = [];
  #received = false;

  /** `atOnce` answers an order itself and returns true, or leaves it to main. */
  constructor(atOnce: (order: Order) => boolean = () => false) {
    this.#atOnce = atOnce;
  }

  /** Bytes arrived that main is to know of. Even an incomplete order renews a session's lease. */
  get received(): boolean {
    return this.#received;
  }

  /** Nothing waits for main, and the next byte begins an order. */
  get isEmpty(): boolean {
    return !this.#received && this.#waiting.length === 0 && this.#decoder.betweenOrders;
  }

  /** So many orders wait that the port must not be read. */
  get full(): boolean {
    return this.#waiting.length >= guestLimits.ordersAtOnce;
  }

  /**
   * Acknowledgements at the front of a read of `length` bytes; returns where they end. `take` knows those too that are cut or written in
   * another way.
   */
  takeAcks(bytes: Uint8Array, length: number, acknowledge: (cpu: number, position: number) => void): number {
    return this.#decoder.betweenOrders ? takeAckLines(bytes, length, acknowledge) : 0;
  }

  /** Bytes of one read, split and joined in any way. `behindAcks`: acknowledgements were in front of them. */
  take(bytes: Uint8Array, behindAcks = false): void {
    const orders = this.#decoder.decode(bytes);
    for (const order of orders) if (!this.#atOnce(order)) this.#waiting.push(order);
    // Main need not wake for these: an acknowledgement of more renews the lease by its position (RunState), and clock orders come
    // beside others.
    if ((orders.length === 0 && !behindAcks) || orders.some(({ order }) => order !== "ack" && order !== "clock"))
      this.#received = true;
  }

  /** Returns what waits for main, without orders that would be answered twice. */
  give(): Order[] {
    const orders = collapse(this.#waiting);
    this.#waiting = [];
    this.#received = false;
    return orders;
  }

  /** The host is gone: half an order of it must not become the beginning of the next host's. */
  forgetHalf(): void {
    this.#decoder = new OrderDecoder();
  }
}
