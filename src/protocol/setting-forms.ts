/** The forms of values of `set` that both sides look at: the host for a usage error, the guest because it trusts no host. */

/** Tracers that an order may name. Others keep a snapshot, switch interrupts off to measure, or take memory of their own. */
export const tracerNames: readonly string[] = ["nop", "function", "function_graph"];

/** A function, with `*` and `?`, and `!` in front; no colon. Compilers append .isra.0, .constprop.0, .llvm.NUMBER. */
export const functionWord = /^!?[A-Za-z_*?][\w.*?$]{0,254}$/;

/** Triggers that an order may name. */
export const triggerWords = ["stacktrace", "traceon", "traceoff"] as const;
export type TriggerWord = (typeof triggerWords)[number];

export type Trigger = { word: TriggerWord; filter: string | undefined; /** As the kernel takes it. */ text: string };

/** "traceoff:5 if prev_pid > 0"; undefined for any other trigger. */
export function parseTrigger(text: string): Trigger | undefined {
  const [, found, count, filter] = /^(\w+)(?::([1-9]\d{0,8}))?(?: +if +(.+))?$/.exec(text) ?? [];
  const word = triggerWords.find((known) => known === found);
  if (word === undefined) return undefined;
  const counted = count === undefined ? word : `${word}:${count}`;
  return { word, filter, text: filter === undefined ? counted : `${counted} if ${filter}` };
}
