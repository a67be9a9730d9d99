/** What session.json tells of a machine's losses, over all its recordings. */
import type { SessionLosses } from "../../trace-dat/session/session-file.ts";
import type { CpuBalance } from "../../trace-dat/spool/balance.ts";
import type { Finished } from "../../trace-dat/spool/finish.ts";

export function sumOfLosses(before: SessionLosses | undefined, { balances }: Finished): SessionLosses {
  const sum = (of: (balance: CpuBalance) => number): number =>
    balances.reduce((total, balance) => total + of(balance), 0);
  return {
    overrun: (before?.overrun ?? 0) + sum(({ counted }) => counted?.overrun ?? 0),
    dropped: (before?.dropped ?? 0) + sum(({ counted }) => (counted?.dropped ?? 0) + (counted?.commitOverrun ?? 0)),
    transit: (before?.transit ?? 0) + sum(({ transitEvents }) => transitEvents),
    takenByAnotherReader: (before?.takenByAnotherReader ?? 0) + sum(({ taken }) => taken),
    notServed: (before?.notServed ?? 0) + sum(({ notServed }) => notServed?.events ?? 0),
  };
}
