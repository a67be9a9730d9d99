/**
 * Which events `report -F` and `--comm` ask for. An event is shown where one of the filters matches it. The stack that the kernel
 * left behind an event (kernel_stack, user_stack) is shown with it, as trace-cmd does.
 */
import { AgentError } from "../../base/errors.ts";
import { foreignText } from "../../base/foreign-text.ts";
import { closest } from "../../base/suggest.ts";
import type { EventCatalog, EventType } from "../../events/event-catalog.ts";
import type { EventHead } from "../../events/trace-metadata.ts";
import type { EventRecord } from "../../events/event-record.ts";
import { timelineLimits } from "../limits.ts";
import { eventMatcher } from "../event-names.ts";
import { compileFilter, fieldsOf, type Misfit } from "./compile.ts";
import type { Predicate } from "./integers.ts";
import { type Filter, parseFilter } from "./parse.ts";
import { filterError } from "./tokens.ts";

const no: Predicate = () => false;

type Rule = { filter: Filter; ids: ReadonlySet<number> };

export class EventFilter {
  readonly #catalog: EventCatalog;
  readonly #rules: readonly Rule[];
  /** By the number of the event; undefined where none was made yet. */
  readonly #tests: (Predicate | undefined)[] = [];
  readonly #stacks: ReadonlySet<number>;
  /** By CPU, whether its last event was shown. */
  readonly #shown: boolean[] = [];

  /** Throws a usage error for what no event of the recording can match. */
  constructor(catalog: EventCatalog, filters: readonly string[]) {
    if (filters.length > timelineLimits.filtersMax)
      throw new AgentError("usage", `cannot filter by more than ${timelineLimits.filtersMax} filters`);
    this.#catalog = catalog;
    this.#rules = filters.map((text) => this.#rule(text));
    this.#stacks = new Set(
      catalog.heads
        .filter(({ system, name }) => system === "ftrace" && (name === "kernel_stack" || name === "user_stack"))
        .map(({ id }) => id),
    );
  }

  matches(record: EventRecord, kind: EventType | undefined): boolean {
    const test = kind === undefined ? no : (this.#tests[kind.format.id] ??= this.#testOf(kind));
    const { cpu } = record;
    if (test === no && this.#shown[cpu] !== true) return false;
    const isShown = test(record);
    const isStack = !isShown && this.#shown[cpu] === true && kind !== undefined && this.#stacks.has(kind.format.id);
    this.#shown[cpu] = isShown;
    return isShown || isStack;
  }

  #testOf(kind: EventType): Predicate {
    const tests = this.#rules
      .filter(({ ids }) => ids.has(kind.format.id))
      .map(({ filter: { expression } }): Predicate => {
        return expression === undefined ? () => true : compileFilter(expression, kind, this.#catalog);
      });
    const [first = no, ...others] = tests;
    return others.length === 0 ? first : (record) => tests.some((test) => test(record));
  }

  #rule(text: string): Rule {
    const filter = parseFilter(text);
    const heads = new Set<EventHead>();
    for (const { system, name } of filter.events) {
      const matches = eventMatcher(name.toLowerCase(), system?.toLowerCase());
      const found = this.#catalog.heads.filter((head) => matches(head.system.toLowerCase(), head.name.toLowerCase()));
      if (found.length === 0) throw this.#noEvent(text, system === undefined ? name : `${system}:${name}`);
      for (const head of found) heads.add(head);
    }
    if (filter.expression !== undefined) this.#check(filter, [...heads]);
    return { filter, ids: new Set([...heads].map(({ id }) => id)) };
  }

  #noEvent(text: string, name: string): AgentError {
    const near = closest(
      name,
      this.#catalog.heads.map((head) => (name.includes(":") ? `${head.system}:${head.name}` : head.name)),
    );
    return filterError(
      text,
      `the recording has no format of event "${name}"`,
      near === undefined ? "trace-agent report --stat names the events" : `did you mean ${foreignText(near)}?`,
    );
  }

  /** A field that none of the events has, or that none can compare so. */
  #check({ text, expression }: Filter, heads: readonly EventHead[]): void {
    if (expression === undefined || heads.length > timelineLimits.filterEventsChecked) return;
    const kinds = heads
      .map(({ system, name }) => this.#catalog.find(system, name))
      .filter((kind) => kind !== undefined);
    const misfits: Misfit[][] = kinds.map((kind) => {
      const found: Misfit[] = [];
      compileFilter(expression, kind, this.#catalog, found);
      return found;
    });
    for (const field of new Set(["COMM", "CPU", ...fieldsOf(expression)])) {
      const reasons = misfits.flatMap((found) => found.find((misfit) => misfit.field === field)?.why ?? []);
      const [kind] = kinds;
      if (kind === undefined || reasons.length < kinds.length) continue;
      const other = reasons.find((reason) => reason !== "missing");
      throw this.#misfit(text, field, kinds, other);
    }
  }

  #misfit(text: string, field: string, kinds: readonly EventType[], why: string | undefined): AgentError {
    const names = kinds.slice(0, 3).map(({ format }) => foreignText(`${format.system}:${format.name}`));
    const events = `${names.join(", ")}${kinds.length > 3 ? ` and ${kinds.length - 3} more` : ""}`;
    if (why !== undefined) return filterError(text, `field "${field}" of event ${events} ${why}`);
    const known = [...new Set(kinds.flatMap(({ format }) => format.fields.map(({ name }) => name)))];
    const near = closest(field, known);
    const list = known.filter((name) => !name.startsWith("common_")).slice(0, 20);
    return filterError(
      text,
      `event ${events} has no field "${field}"`,
      near === undefined ? `it has ${foreignText(list.join(", "))}` : `did you mean ${foreignText(near)}?`,
    );
  }
}
