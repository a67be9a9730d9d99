/** A keeper that cuts recordings while they go on: into segments (host/segments/rotation.ts), or into snapshots of a ring (ring.ts). */
import type { AgentError } from "../../base/errors.ts";
import type { SessionMachine } from "../../trace-dat/session/session-file.ts";
import type { Spool } from "../../trace-dat/spool/spool.ts";
import type { RunObserver } from "../run/run-observer.ts";
import type { Keeper } from "./keeper.ts";

/** A machine's run (machine-recording.ts). */
export type CutMachine = {
  readonly name: string;
  readonly entry: SessionMachine;
  readonly traceId: bigint;
  readonly ended: boolean;
  /** Why it ended, if not by request; why it was not recorded. */
  readonly trouble: string | undefined;
  readonly refused: AgentError | undefined;
};

export type Cutter = Keeper & {
  /** A machine's run begins; the spool is the cutter's from here on. */
  join(machine: CutMachine, spool: Spool): RunObserver;
  /** The file of what is recorded now, for session.json. */
  openFile(machine: string): string;
  /** Called some twenty times a second. `haveStarted`: all machines have that start together. */
  turn(haveStarted: boolean): void;
  /** After all machines have ended: what is missing from the whole, by sentences. */
  finish(isEnough: () => boolean): Promise<string[]>;
};
