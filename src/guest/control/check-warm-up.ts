/**
 * Makes the periodic check many times on stand-ins while the agent is armed, and takes acknowledgements. The compiler's threads would
 * otherwise wake for it during the first minutes of a run without events, more often than the check itself, and while data go.
 */
import { SystemError } from "../../../ffi/errno.ts";
import { closeFd, O, openFd, writeFrom } from "../../../ffi/fd.ts";
import { makePipe } from "../../../ffi/pipe.ts";
import { POLL, PollSet } from "../../../ffi/poll.ts";
import { LatencyCheck } from "../transfer/latency-check.ts";
import { Counter, counterIndex, latencyIndex, RunState, Word, WorkerState } from "../transfer/run-state.ts";
import { AckWait } from "./ack-wait.ts";
import { OrderIntake } from "./order-intake.ts";

const ackText = "ack 0 65536\nack 1 1048576\nack 9";
const wholeAcks = ackText.lastIndexOf("ack");

/** `cpu`: any; its statistics are read, and nothing else. Ends early when `disturbed` says so: an order came. */
export function warmUpCheck(tracingDirectory: string, cpu: number, rounds: number, disturbed: () => boolean): void {
  const run = new RunState(1);
  const check = new LatencyCheck(run, tracingDirectory, [cpu]);
  const poll = new PollSet(3);
  const fds: number[] = [];
  try {
    const nobody = openFd("/dev/null", O.RDWR);
    fds.push(nobody);
    const port = makePipe(O.NONBLOCK);
    fds.push(port.read, port.write);
    run.setWord(0, Word.state, WorkerState.running);
    run.setWord(0, Word.wakeFd, nobody);
    run.setWord(0, Word.sleeping, 1);
    Atomics.store(run.words, latencyIndex, 1);
    const acks = new Uint8Array(new ArrayBuffer(ackText.length));
    acks.set(Buffer.from(ackText));
    const bytes = new Uint8Array(new ArrayBuffer(acks.length));
    const intake = new OrderIntake();
    const acknowledge = (worker: number, position: number): void => {
      if (worker === 0) run.acknowledge(worker, position);
    };
    const waits = new AckWait({ poll, fd: port.read, slot: 2, bytes, intake, acknowledge });
    for (let round = 0; round < rounds && !disturbed(); round++) {
      run.counters[counterIndex(0, Counter.bytes)] = 100 * round;
      check.turn(2 * round);
      for (let slot = 0; slot < 3; slot++) poll.set(slot, slot < 2 ? -1 : port.read, POLL.IN);
      // Whole lines, also with a part of one behind them, or nothing; a few times it is waited for more until the timeout.
      const reads = round % 5 !== 4;
      if (reads) writeFrom(port.write, acks, 0, round % 3 === 0 ? acks.length : wholeAcks);
      waits.wait(reads && round % 8 === 1 ? 1 : 0, reads);
    }
  } catch (error) {
    // It only saves wake-ups: without a spare descriptor it is left out.
    if (!(error instanceof SystemError)) throw error;
  } finally {
    check.close();
    for (const fd of fds) closeFd(fd);
  }
}
