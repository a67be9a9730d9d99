/**
 * Tests that `npm run test:quick` runs in a shorter form: they repeat what the gate does, less often. Only how often random inputs
 * are tried, or how much of an exhaustive list, is less; each promise and each kind of input stays. What a fuzzer reached must hold
 * in this form too.
 */
export const isQuick = process.env["TRACE_AGENT_QUICK_TESTS"] === "1";

/**
 * Of a list that is tried in several ways: what the quick form tries in this `way`, each of the list in one. So each is tried, and each
 * way too.
 */
export function inTurn<T>(list: readonly T[], way: number, ways = 2): readonly T[] {
  return list.filter((_, index) => !isQuick || index % ways === way % ways);
}

/** How often, how many or how much. `usual` may be `inLongForm(...)` (long.ts). */
export function inQuickForm<T>(few: T, usual: T): T {
  return isQuick ? few : usual;
}
