/** What makes a recorder with a ring take a snapshot by itself (record --last --on TRIGGER). */
import type { EventWord } from "../../tracefs/event-choice.ts";

/** `text`: as the user wrote it. `filter`: as report's -F has it. */
export type Trigger = { readonly text: string } & (
  | { readonly kind: "signal" | "lost" | "guest-gone" }
  | { readonly kind: "latency"; readonly ns: number }
  | { readonly kind: "event"; readonly event: string; readonly filter: string }
);

export type TriggerOptions = { readonly triggers: readonly Trigger[]; readonly silentAfterMs: number };

/** Events that must be recorded for triggers to be seen. Of those of one kind kernels have some. */
export function eventsOf(triggers: readonly Trigger[]): EventWord[] {
  return triggers.flatMap((trigger): EventWord[] => {
    if (trigger.kind === "event") return [{ word: trigger.event }];
    if (trigger.kind !== "latency") return [];
    const wakings = ["sched_waking", "sched_wakeup", "sched_wakeup_new"];
    return [
      { word: "sched:sched_switch" },
      ...wakings.map((name): EventWord => ({ word: `sched:${name}`, optional: true })),
    ];
  });
}
