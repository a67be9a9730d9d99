/**
 * The session of a host: from its hello to the hello with another nonce. Keeps what the host understands, and what
 * must be restored when the host is gone.
 *
 * A session that changed something in the guest has a lease. When the lease runs out, or another host says hello,
 * the session's run is stopped, what the ports take is handed over, and the settings are restored. A session that
 * changed nothing leaves nothing behind: its run goes on.
 */
import { log } from "../../base/log.ts";
import type { Reply } from "../../protocol/replies.ts";
import { agentWords, firstProtocol, hostWords, protocolVersion } from "../../protocol/words.ts";
import { guestLimits } from "../limits.ts";
import type { Latency } from "./latency.ts";
import { Lease } from "./lease.ts";
import type { RunControl } from "./run-control.ts";
import type { Settings } from "./settings.ts";

export type HostSessionParts = {
  runControl: RunControl;
  settings: Settings;
  latency: Latency;
  /** Called with whether the host acknowledges what it takes. */
  setAcks: (acks: boolean) => void;
  bytesTaken: () => number;
  /** Restores something while the kernel may keep this thread: a host that waits is told so. */
  whileHeld: (restore: () => string[]) => string[];
  send: (reply: Reply) => void;
  /** A session that had ended is undone. */
  onEnded: () => void;
};

export class HostSession {
  readonly lease: Lease;
  readonly #parts: HostSessionParts;
  #nonce: string | undefined;
  #heardHello = false;
  #protocol: number = firstProtocol;
  #startedRun = false;
  #ending: Promise<void> | undefined;

  constructor(parts: HostSessionParts) {
    this.#parts = parts;
    this.lease = new Lease(parts.bytesTaken, () => this.#leaseRanOut());
  }

  /** Only a host that said hello expects answers to the kernel agent's orders. */
  get heardHello(): boolean {
    return this.#heardHello;
  }

  /** Whether the host knows features beyond protocol 1. */
  get knowsProgress(): boolean {
    return this.#heardHello && this.#protocol >= 2;
  }

  /** Whether bodies are sent to it in frames. */
  get knowsFrames(): boolean {
    return this.#heardHello && this.#protocol >= 3;
  }

  /** Pending while an earlier session is being ended: changes to the guest must wait for it. */
  get ending(): Promise<void> | undefined {
    return this.#ending;
  }

  /** True when this is another host's session, or another session of the same host. */
  hello(nonce: string): boolean {
    const another = nonce !== this.#nonce;
    if (another) {
      if (this.#changed) void this.#end("another host says hello");
      this.lease.forget();
      this.#nonce = nonce;
      this.#startedRun = false;
      this.#protocol = firstProtocol;
      this.#parts.setAcks(false);
    }
    this.#heardHello = true;
    return another;
  }

  /** Takes what the host knows; returns the protocol that is spoken from now on. */
  introduce(protocol: number, words: readonly string[]): number {
    this.#parts.setAcks(words.includes(hostWords.ack));
    this.#protocol = Math.min(protocol, protocolVersion);
    return this.#protocol;
  }

  /** The host closed the control port: the next one has not said hello, and may know less. */
  hangUp(): void {
    this.#heardHello = false;
    this.#protocol = firstProtocol;
    this.#parts.setAcks(false);
  }

  /** An order of this session started a run. */
  noteStart(): void {
    this.#startedRun = true;
  }

  /** Something was set, or restored by the host itself. */
  noteSetting(): void {
    if (this.#changed) this.lease.begin();
    else this.lease.end();
  }

  get #changed(): boolean {
    return this.#parts.settings.changed || this.#parts.latency.changed;
  }

  #leaseRanOut(): void {
    const { seconds } = this.lease;
    const error = `nothing received from the host for ${seconds} s`;
    // The host may be alive, and only slow.
    if (this.knowsProgress) this.#parts.send({ reply: "error", order: agentWords.lease, error });
    void this.#end(error);
  }

  #end(reason: string): Promise<void> {
    // What has been started until now is its run.
    this.#parts.runControl.holdStarts();
    this.#ending ??= this.#undo(this.#startedRun, reason).finally(() => {
      this.#ending = undefined;
      this.#parts.onEnded();
    });
    this.#startedRun = false;
    return this.#ending;
  }

  async #undo(startedRun: boolean, reason: string): Promise<void> {
    const { runControl, settings, latency } = this.#parts;
    this.lease.end();
    latency.restore();
    log.info(`the session of a host is over (${reason}): its settings are restored`);
    if (startedRun && runControl.state === "running") await runControl.end(guestLimits.sessionFlushMs);
    // Its successor may wait for this already.
    const failures = await settings.restoreByAndBy([], this.#parts.whileHeld);
    for (const failure of failures) log.error(`cannot restore what a host had set: ${failure}`);
  }
}
