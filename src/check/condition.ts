/** Results of `trace-agent check`: one condition after the other, with a remedy where it is not met. */
export type ConditionState = "ok" | "warning" | "failure";

export type Condition = {
  /** What was checked: "tracefs", "data ports". */
  name: string;
  state: ConditionState;
  /** What was found. */
  found: string;
  /** What a person can do about it; for warnings and failures. */
  remedy?: string;
};

export function ok(name: string, found: string): Condition {
  return { name, state: "ok", found };
}

export function warning(name: string, found: string, remedy: string): Condition {
  return { name, state: "warning", found, remedy };
}

export function failure(name: string, found: string, remedy: string): Condition {
  return { name, state: "failure", found, remedy };
}

/** One line per condition, names and states in columns. */
export function conditionLines(conditions: readonly Condition[]): string {
  const width = Math.max(0, ...conditions.map(({ name }) => name.length));
  return conditions
    .map(
      ({ name, state, found, remedy }) =>
        `${state.padEnd(7)}  ${name.padEnd(width)}  ${found}${remedy === undefined ? "" : `; ${remedy}`}\n`,
    )
    .join("");
}

export function failures(conditions: readonly Condition[]): Condition[] {
  return conditions.filter(({ state }) => state === "failure");
}
