/**
 * Filters of events in the kernel's syntax (kernel/trace/trace_events_filter.c, predicate_parse and parse_pred),
 * checked before they are written: the kernel drops the earlier filter before it parses the new one, and logs
 * errors in it.
 *
 *     prev_state & 1 && (next_comm ~ "kworker*" || !(next_prio < 100)) || target_cpu & CPUS{4-7}
 *
 * Not accepted, though some kernels do: symbols as values, and strings in user memory (.ustring).
 */
import { closest } from "../base/suggest.ts";

export type FilterField = { kind: "number" | "string" | "cpumask" | "other"; signed: boolean };

/** What every event can be filtered by beside its own fields. */
const genericFields: ReadonlyMap<string, FilterField> = new Map([
  ["cpu", { kind: "number", signed: true }],
  ["CPU", { kind: "number", signed: true }],
  ["comm", { kind: "string", signed: false }],
  ["COMM", { kind: "string", signed: false }],
]);
const numberSizes = new Set([1, 2, 4, 8]);

/** The fields of an event by its format file. */
export function filterFields(format: string): Map<string, FilterField> {
  const fields = new Map(genericFields);
  for (const [, type = "", name = "", array = "", size, signed] of format.matchAll(
    /^[ \t]*field:([^;\n]*?)\b(\w+)(\[[^[\]\n]*\])?;[ \t]*offset:\d+;[ \t]*size:(\d+);[ \t]*signed:(\d);/gm,
  )) {
    fields.set(name, { kind: kindOf(type, array, Number(size)), signed: signed === "1" });
  }
  return fields;
}

function kindOf(type: string, array: string, size: number): FilterField["kind"] {
  if (/\bchar\b/.test(type) && (array !== "" || /__(data|rel)_loc|\[|\*/.test(type))) return "string";
  if (/__data_loc\b.*\bcpumask_t\b/.test(type)) return "cpumask";
  const isPlain = array === "" && !/__(data|rel)_loc|\[|cpumask/.test(type);
  return isPlain && numberSizes.has(size) ? "number" : "other";
}

class WrongFilter extends Error {
  readonly noField: string | undefined;

  constructor(reason: string, noField?: string) {
    super(reason);
    this.noField = noField;
  }
}

/** `noField`: the name that is no field of the event. Of another event it may be one. */
export type FilterFault = { reason: string; noField: string | undefined };

/**
 * What is wrong with it for an event with these fields; undefined if nothing is. `maskCpus`: how many CPUs CPUS{...} may name;
 * undefined where the kernel does not know it.
 */
export function wrongInFilter(
  text: string,
  fields: ReadonlyMap<string, FilterField>,
  maskCpus?: number,
): FilterFault | undefined {
  try {
    const parser = new Parser(text, fields, maskCpus);
    parser.parse();
    return undefined;
  } catch (error) {
    if (error instanceof WrongFilter) return { reason: error.message, noField: error.noField };
    throw error;
  }
}

/** Behind "has no field": what may have been meant. */
export function nearField(name: string, fields: Iterable<string>): string {
  const near = closest(name, [...fields]);
  return near === undefined ? "" : `; did you mean ${near}?`;
}

/** MAX_FILTER_STR_VAL. */
const stringChars = 255;

class Parser {
  readonly #text: string;
  readonly #fields: ReadonlyMap<string, FilterField>;
  readonly #maskCpus: number | undefined;
  #at = 0;

  constructor(text: string, fields: ReadonlyMap<string, FilterField>, maskCpus: number | undefined) {
    this.#text = text;
    this.#fields = fields;
    this.#maskCpus = maskCpus;
  }

  parse(): void {
    this.#either();
    if (this.#at < this.#text.length) throw this.#wrong("&& or || is missing");
  }

  #either(): void {
    do this.#all();
    while (this.#take(/\|\|/y) !== undefined);
  }

  #all(): void {
    do this.#one();
    while (this.#take(/&&/y) !== undefined);
  }

  #one(): void {
    while (this.#take(/!(?!=)/y) !== undefined);
    if (this.#take(/\(/y) === undefined) return this.#comparison();
    this.#either();
    if (this.#take(/\)/y) === undefined) throw this.#wrong(") is missing");
  }

  #comparison(): void {
    const name = this.#take(/\w+/y);
    if (name === undefined) throw this.#wrong("the name of a field is missing");
    const field = this.#fields.get(name);
    if (field === undefined)
      throw new WrongFilter(`it has no field "${name}"${nearField(name, this.#fields.keys())}`, name);
    const operator = this.#take(/==|!=|<=|>=|[<>~]|&(?!&)/y);
    if (operator === undefined) throw this.#wrong(`"${name}" has no operator after it (==, !=, <, <=, >, >=, &, ~)`);
    if (field.kind === "other") throw new WrongFilter(`field "${name}" is neither a number nor a string`);
    if (field.kind === "string") this.#string(name, operator);
    else if (field.kind === "cpumask" || this.#text.startsWith("CPUS", this.#at)) this.#cpuMask(name, operator);
    else this.#number(name, operator, field.signed);
  }

  #cpuMask(name: string, operator: string): void {
    if (this.#maskCpus === undefined)
      throw new WrongFilter(`field "${name}" is compared with CPUs, which kernels know from 6.6 on`);
    if (!["==", "!=", "&"].includes(operator)) throw this.#wrong(`CPUs are compared with ==, != and &`);
    const mask = this.#take(/CPUS\{\d{1,5}(?:-\d{1,5})?(?:,\d{1,5}(?:-\d{1,5})?)*\}/y);
    if (mask === undefined)
      throw this.#wrong(`field "${name}" must be compared with CPUs, as in ${name} & CPUS{0-3,8}`);
    for (const range of mask.slice(5, -1).split(",")) {
      const [first = 0, last = first] = range.split("-").map(Number);
      if (last < first) throw this.#wrong(`the CPUs ${range} run backwards`);
      if (last >= this.#maskCpus) throw this.#wrong(`there is no CPU ${last}`);
    }
  }

  #string(name: string, operator: string): void {
    if (!["==", "!=", "~"].includes(operator)) throw this.#wrong(`field "${name}" is a string: it takes ==, != and ~`);
    const value = this.#take(/"[^"]*"|'[^']*'/y);
    if (value === undefined) throw this.#wrong(`field "${name}" must be compared with a string in quotes`);
    if (value.length - 2 > stringChars) throw this.#wrong(`a string is longer than ${stringChars}`);
  }

  #number(name: string, operator: string, signed: boolean): void {
    if (operator === "~") throw this.#wrong(`field "${name}" is a number: ~ is for strings`);
    const value = this.#take(/-?(?:0[xX][\da-fA-F]+|0[0-7]*|[1-9]\d*)(?!\w)/y);
    if (value === undefined) throw this.#wrong(`field "${name}" must be compared with a number`);
    const negative = value.startsWith("-");
    const digits = value.replace("-", "");
    const magnitude = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
    const most = signed ? (1n << 63n) - (negative ? 0n : 1n) : negative ? -1n : (1n << 64n) - 1n;
    if (magnitude > most) throw this.#wrong(`field "${name}" cannot be ${value}`);
  }

  /** The next token, with the space after it. */
  #take(pattern: RegExp): string | undefined {
    this.#skipSpace();
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    if (found === undefined) return undefined;
    this.#at += found.length;
    this.#skipSpace();
    return found;
  }

  #skipSpace(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }

  #wrong(reason: string): WrongFilter {
    const rest = this.#text.slice(this.#at, this.#at + 20);
    return new WrongFilter(`${reason}${rest === "" ? ", at the end" : `, at "${rest}"`}`);
  }
}
