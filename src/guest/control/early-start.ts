/**
 * A start that the control worker orders by itself, before main hears of it: a full ring buffer may wait for it, and main takes
 * longer to wake than a worker to begin.
 *
 * Main permits it while nothing that it does could stand in the way (RunControl.permitEarlyStart), and takes the permission back before it does
 * something that could. A start that was ordered until then main takes over as if it had ordered it: the run began where each
 * stream stood before. All other starts go through main alone.
 *
 *     held        main alone orders starts
 *     permitted   the control worker may order one
 *     under way   it does so: main waits for these few instructions
 *     given       it has done so, and main has not heard of it
 */
import { SystemError } from "../../../ffi/errno.ts";
import { signalEventFd } from "../../../ffi/eventfd.ts";
import { closeFd, O, openFd, type PreparedPath, preparePath } from "../../../ffi/fd.ts";
import { guestLimits } from "../limits.ts";
import { Counter, counterIndex, Order, type RunState, startIndex, Word, WorkerState } from "../transfer/run-state.ts";

const Start = { held: 0, permitted: 1, underWay: 2, given: 3 } as const;

/** `1`, wherever an order may begin (protocol/order-decoder.ts). */
const startByte = 0x31;

/** Main's side. */
export class StartPermit {
  readonly #words: Int32Array;

  constructor(run: RunState) {
    this.#words = run.words;
  }

  /** Lets the control worker order the next start. Only while it is held, or permitted already. */
  give(): void {
    Atomics.compareExchange(this.#words, startIndex, Start.held, Start.permitted);
  }

  /** From here on main alone orders starts. True: one was ordered meanwhile. */
  takeBack(): boolean {
    const words = this.#words;
    // A control worker that died in the middle never says so; what it has left undone main does then.
    if (Atomics.load(words, startIndex) === Start.underWay)
      Atomics.wait(words, startIndex, Start.underWay, guestLimits.workerReadyMs);
    return Atomics.exchange(words, startIndex, Start.held) >= Start.underWay;
  }
}

/** The control worker's side. */
export class EarlyStart {
  readonly #run: RunState;
  readonly #workers: number;
  readonly #traces: PreparedPath;

  /** `traces`: a file that is there as long as the tracing directory is. */
  constructor(run: RunState, traces: string, workers: number) {
    this.#run = run;
    this.#workers = workers;
    this.#traces = preparePath(traces);
  }

  /** `bytes` were read where an order may begin, and main has nothing to do. Starts if they begin with that order and main permits it. */
  consider(bytes: Uint8Array): void {
    if (bytes[0] !== startByte) return;
    const { words } = this.#run;
    if (Atomics.compareExchange(words, startIndex, Start.permitted, Start.underWay) !== Start.permitted) return;
    const there = this.#tracingIsThere();
    if (there) this.#orderAll();
    Atomics.compareExchange(words, startIndex, Start.underWay, there ? Start.given : Start.held);
    Atomics.notify(words, startIndex);
  }

  /** An instance can have been removed: main then refuses the order. */
  #tracingIsThere(): boolean {
    try {
      closeFd(openFd(this.#traces, O.PATH));
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return false;
    }
  }

  /** All of them are armed, so their streams stand still; but one that has failed just now main starts again. */
  #orderAll(): void {
    const run = this.#run;
    for (let worker = 0; worker < this.#workers; worker++)
      run.counters[counterIndex(worker, Counter.bytesAtStart)] = run.counter(worker, Counter.bytes);
    for (let worker = 0; worker < this.#workers; worker++) {
      if (run.word(worker, Word.state) !== WorkerState.armed) continue;
      run.setWord(worker, Word.pinErrno, 0);
      run.setWord(worker, Word.order, Order.running);
      signalEventFd(run.word(worker, Word.wakeFd));
    }
  }
}

/** Does it once on stand-ins, so that the code is there when the first order comes. */
export function practiseEarlyStart(makeRun: () => RunState): void {
  let nobody = -1;
  try {
    nobody = openFd("/dev/null", O.RDWR);
    const run = makeRun();
    run.setWord(0, Word.state, WorkerState.armed);
    run.setWord(0, Word.wakeFd, nobody);
    new StartPermit(run).give();
    const practice = new EarlyStart(run, "/proc/self", 1);
    practice.consider(new Uint8Array([startByte]));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  } finally {
    if (nobody >= 0) closeFd(nobody);
  }
}
