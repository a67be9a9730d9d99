/**
 * Makes the periodic check many times on stand-ins while the agent is armed, and takes acknowledgements. The compiler's threads would
 * otherwise wake for it during the first minutes of a run without events, more often than the check itself, and while data go.
 */
import { SystemError } from "../../../ffi/errno.ts";
import { closeFd, O, openFd, readInto } from "../../../ffi/fd.ts";
import { PollSet } from "../../../ffi/poll.ts";
import { guestLimits } from "../limits.ts";
import { takeAckLines } from "../../protocol/ack-lines.ts";
import { LatencyCheck } from "../transfer/latency-check.ts";
import { Counter, counterIndex, latencyIndex, RunState, Word, WorkerState } from "../transfer/run-state.ts";

/** `cpu`: any; its statistics are read, and nothing else. Ends early when `disturbed` says so: an order came. */
export function warmUpCheck(tracingDirectory: string, cpu: number, disturbed: () => boolean): void {
  const run = new RunState(1);
  const check = new LatencyCheck(run, tracingDirectory, [cpu]);
  const poll = new PollSet(3);
  let nobody = -1;
  try {
    nobody = openFd("/dev/null", O.RDWR);
    run.setWord(0, Word.state, WorkerState.running);
    run.setWord(0, Word.wakeFd, nobody);
    run.setWord(0, Word.sleeping, 1);
    Atomics.store(run.words, latencyIndex, 1);
    const nothing = new Uint8Array(new ArrayBuffer(8));
    const acks = Buffer.from("ack 0 65536\nack 1 1048576\nack 9");
    const acknowledge = (worker: number, position: number): void => {
      if (worker === 0) run.acknowledge(worker, position);
    };
    for (let round = 0; round < guestLimits.warmUpRounds && !disturbed(); round++) {
      run.counters[counterIndex(0, Counter.bytes)] = 100 * round;
      takeAckLines(acks, acks.length, acknowledge);
      readInto(nobody, nothing);
      run.setWord(0, Word.keepsTime, round % 4 === 3 ? 1 : 0);
      check.turn(2 * round);
      for (let slot = 0; slot < 3; slot++) poll.set(slot, -1, 0);
      poll.wait(0);
    }
  } catch (error) {
    // It only saves wake-ups: without a spare descriptor it is left out.
    if (!(error instanceof SystemError)) throw error;
  } finally {
    check.close();
    if (nobody >= 0) closeFd(nobody);
  }
}
