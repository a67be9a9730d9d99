/**
 * Runs the splice loop on stand-ins while the worker is armed, so that its machine code is there before the first order.
 *
 * Without it the loop would begin in the interpreter and be compiled while events come: on a short or quiet recording that
 * costs more than moving the data. Zeros go from a pipe through the worker's own (empty) pipe into a third one, and most waits
 * return at once, because /dev/zero stands in for the wake-up fd. Nothing of it reaches a port, a ring buffer or the books.
 * The rounds differ, so that the compiler sees every way the loop can take: what it has not seen it leaves out.
 */
import { SystemError } from "../../ffi/errno.ts";
import { closeFd, O, openFd, readInto, writeFrom } from "../../ffi/fd.ts";
import { makePipe } from "../../ffi/pipe.ts";
import { POLL } from "../../ffi/poll.ts";
import { limits } from "../limits.ts";
import { Order, RunState, Word } from "./run-state.ts";
import { moveStream } from "./splice-loop.ts";
import { Stream, type StreamSettings, wakeSlot } from "./stream.ts";

/** The worker's pipe is empty before and after. Ends early when `disturbed` says so: an order came. */
export function rehearse(settings: StreamSettings, disturbed: () => boolean): void {
  const fds: number[] = [];
  try {
    const wakeFd = openFd("/dev/zero", O.RDWR);
    fds.push(wakeFd);
    const source = makePipe(O.NONBLOCK);
    fds.push(source.read, source.write);
    const output = makePipe(O.NONBLOCK);
    fds.push(output.read, output.write);
    const run = new RunState(1);
    run.setWord(0, Word.order, Order.running);
    const takeBytes = limits.rehearsalBytes / 2;
    const stream = new Stream({ ...settings, worker: 0, takeBytes, wakeFd, outputFd: output.write, outputKind: "fifo", outputShared: false }, run);
    stream.rawFd = source.read;
    const bytes = new Uint8Array(new ArrayBuffer(limits.pipeMinBytes));
    for (let round = 0; round < limits.rehearsalRounds && !disturbed(); round++) {
      // A wait that runs to its end, a few times: it takes real time.
      const slow = round % limits.rehearsalSlowRounds === 0;
      // Now and then the output is full.
      if (slow || round % 3 !== 2) readInto(output.read, bytes);
      // From a part of one take to two takes.
      if (stream.queued === 0) writeFrom(source.write, bytes, 0, limits.rehearsalBytes >> (slow ? 2 : round % 4));
      stream.dataPoll.set(wakeSlot, slow ? settings.wakeFd : wakeFd, POLL.IN);
      stream.wokenInVain = round % 5 === 4;
      stream.turnsLeft = slow ? 4 : limits.rehearsalTurns;
      moveStream(stream);
    }
    while (readInto(settings.pipeRead, bytes) > 0);
  } catch (error) {
    // It is only for speed: without a spare descriptor it is left out.
    if (!(error instanceof SystemError)) throw error;
  } finally {
    for (const fd of fds) closeFd(fd);
  }
}
