/** What is left to do of a session. */
import type { SessionMachine, SessionRecording } from "../../trace-dat/session/session-file.ts";
import type { Spool } from "../../trace-dat/spool/spool.ts";

/** A machine's recording that is to become a file. */
export type Unfinished = {
  machine: SessionMachine;
  recording: SessionRecording;
  spool: Spool;
  /** Why it ended early, if not by request. */
  trouble: string | undefined;
};
