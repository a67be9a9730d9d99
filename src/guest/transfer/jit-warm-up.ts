/**
 * Runs the splice loop on stand-ins while the worker is armed, so that its machine code exists before the first order.
 *
 * Without it the loop would begin in the interpreter and be compiled while events arrive: on a short or quiet
 * recording that costs more than moving the data. Zeros go from a pipe through the worker's own (empty) pipe into a
 * third one, and most waits return at once, because /dev/zero stands in for the wake-up fd. Nothing of it reaches a
 * port, a ring buffer or the accounting. The rounds differ, so that the compiler sees every branch of the loop: it
 * leaves out code for branches it has not seen.
 */
import { SystemError } from "../../../ffi/errno.ts";
import { closeFd, O, openFd, readInto, writeFrom } from "../../../ffi/fd.ts";
import { makePipe, setPipeSize } from "../../../ffi/pipe.ts";
import { POLL } from "../../../ffi/poll.ts";
import { guestLimits } from "../limits.ts";
import { transportLimits } from "../../transport/limits.ts";
import { acksIndex, Counter, Order, RunState, Word } from "./run-state.ts";
import { moveStream } from "./splice-loop.ts";
import { Stream, type StreamSettings, wakeSlot, wantPartial } from "./stream.ts";

/** The worker's pipe is empty before and after. Ends early when `disturbed` returns true: an order came. */
export function warmUp(settings: StreamSettings, rounds: number, disturbed: () => boolean): void {
  const fds: number[] = [];
  try {
    const wakeFd = openFd("/dev/zero", O.RDWR);
    fds.push(wakeFd);
    const source = makePipe(O.NONBLOCK);
    fds.push(source.read, source.write);
    const output = makePipe(O.NONBLOCK);
    fds.push(output.read, output.write);
    // So small that it is full where it was not read for a round.
    setPipeSize(output.write, guestLimits.warmUpBytes / 2);
    const run = new RunState(1);
    run.setWord(0, Word.order, Order.running);
    const spliceBytes = guestLimits.warmUpBytes / 2;
    const stream = new Stream(
      {
        ...settings,
        worker: 0,
        spliceBytes,
        ackedSpliceBytes: spliceBytes,
        wakeFd,
        outputFd: output.write,
        outputTraits: { ...settings.outputTraits, absentHost: false },
        outputShared: false,
      },
      run,
    );
    stream.rawFd = source.read;
    const bytes = new Uint8Array(new ArrayBuffer(transportLimits.pipeMinBytes));
    for (let round = 0; round < rounds && !disturbed(); round++) {
      // A wait until its timeout, a few times: it takes real time.
      const slow = round % guestLimits.warmUpSlowRounds === 0;
      // Sometimes the output is full, or has room for a part.
      if (slow || round % 3 !== 2) readInto(output.read, bytes);
      // From a part of one read to two reads.
      if (stream.queued === 0) writeFrom(source.write, bytes, 0, guestLimits.warmUpBytes >> (slow ? 2 : round % 4));
      stream.dataPoll.set(wakeSlot, slow ? settings.wakeFd : wakeFd, POLL.IN);
      stream.sleepMs = guestLimits.warmUpSleepMs;
      stream.spuriousWakeUp = round % 5 === 4;
      stream.wakesEarly = round % 7 === 6;
      if (round % 2 === 1) wantPartial(stream);
      // Else splice would take all that the source has, and leave no partial sub-buffer.
      if (round % 4 === 1) stream.drained = true;
      // A host that acknowledges nothing, then one that does, each time all or a part.
      Atomics.store(run.words, acksIndex, round < rounds / 2 ? 0 : 1);
      if (round > rounds / 3)
        stream.counters[stream.acknowledgedIndex] = (stream.counters[Counter.bytes] ?? 0) - (round % 4) * bytes.length;
      stream.iterationsLeft = slow ? 4 : guestLimits.warmUpIterations;
      moveStream(stream);
    }
    while (readInto(settings.pipeRead, bytes) > 0);
  } catch (error) {
    // It only adds speed: without a spare descriptor it is left out.
    if (!(error instanceof SystemError)) throw error;
  } finally {
    for (const fd of fds) closeFd(fd);
  }
}
