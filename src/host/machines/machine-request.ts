/** Which machines are to be recorded, and how each: what may change while others go on. */
import type { SessionMachine } from "../../trace-dat/session/session-file.ts";
import type { GuestDirectory } from "../guest-directory.ts";
import type { TraceConfig } from "../run/trace-config.ts";

/** What is to be recorded. `named`: by the user, and not found. */
export type MachineRequest = { name: string; kind: SessionMachine["kind"]; guest: GuestDirectory; named: boolean };

/** --join: `find` gives the machines that there are; what it gives changes when the directory `parent` does. */
export type Join = { readonly parent: string; readonly find: () => readonly MachineRequest[] };

export type MachinesPlan = {
  readonly requests: readonly MachineRequest[];
  readonly wantedOf: (request: MachineRequest) => TraceConfig;
  /** How long a machine's first answer is waited for. */
  readonly waitMsOf: (request: MachineRequest) => number | undefined;
  /** By guest, the tasks that run its CPUs, where the user names them. */
  readonly vcpus: ReadonlyMap<string, readonly number[]>;
  /** Machines that come later are recorded too. */
  readonly join?: Join | undefined;
};
