/**
 * The orders of the host. Each is described once: from its form come its type, the guest's reading of it and the host's writing.
 *
 * `1` and `0` are single bytes (order-decoder.ts); every other order is a line: words, and arguments with spaces between them, the
 * last of which is the rest of the line. Nothing in an order names a path or a program. What is no order is `malformed`.
 */
import { protocolLimits } from "./limits.ts";
import {
  type Arguments,
  type Field,
  type Fields,
  knownField,
  listField,
  numberField,
  readArguments,
  refused,
  textField,
  writeArguments,
} from "./order-fields.ts";
import { knownSections, sectionOf } from "./sections.ts";
import { settingWords } from "./words.ts";

const settableKeys = ["events", "buffer_size_kb", "clock", "tracing_on", ...settingWords] as const;
export type SettableKey = (typeof settableKeys)[number];

/** Lists, of which none is a sensible setting; the others have no empty value. */
const emptyAllowed: ReadonlySet<string> = new Set<SettableKey>([
  "events",
  "functions",
  "no_functions",
  "graph_functions",
  "pids",
]);
/** The part that ends a value sent in parts. */
const endOfParts = ".";

const { leaseSecondsMin, leaseSecondsMax, latencyMsMin, latencyMsMax } = protocolLimits;

const nonce = textField(/^[\w.:-]{1,64}$/);
const takesNonce = "takes one word of at most 64 letters and digits";
const keyOfPart: Field<SettableKey> = {
  read: (text) => settableKey(text.slice(0, -1)) ?? refused,
  write: (key) => `${key}+`,
};
const part: Field<string | undefined> = {
  read: (text) => (text.trim() === "" ? refused : text.trim() === endOfParts ? undefined : text.trim()),
  write: (text) => text ?? endOfParts,
};
const wordsOfHost: Field<readonly string[]> = {
  read: (text) => (/^([a-z]\w{0,31}( [a-z]\w{0,31}){0,15})?$/.test(text) ? text.split(" ").filter(Boolean) : refused),
  write: (words) => words.join(" "),
};

/** `word`: what stands in front of the arguments. `reason`: what a host is told that gets them wrong. */
type FormText = { word: string; reason: string | ((rest: string) => string) };
type FormMore<Values> = {
  /** The lines that are this order, where the word alone does not tell. */
  lines?: RegExp;
  isWhole?: (values: Values) => boolean;
};
type Form<Values> = FormText & {
  lines: RegExp | undefined;
  /** Undefined where the arguments are wrong. */
  read: (rest: string) => Values | undefined;
  write: (values: Values) => string;
};
/** To read any of them, and to write what is known to be of it. */
type AnyForm = FormText & Pick<Form<unknown>, "lines" | "read"> & { write: (values: never) => string };

function form<F extends Fields>(
  word: string,
  fields: F,
  reason: FormText["reason"],
  { lines, isWhole = () => true }: FormMore<Arguments<F>> = {},
): Form<Arguments<F>> {
  return {
    word,
    reason,
    lines,
    read: (rest) => {
      const values = readArguments(fields, rest);
      return values !== undefined && isWhole(values) ? values : undefined;
    },
    write: (values) => `${word} ${writeArguments(fields, values)}`.trimEnd(),
  };
}

/** Of several that a line may be, the first counts. */
const forms = {
  /** Answered only after a hello, so that `echo 1 > agent-ctl-path.in` never fills the way back. */
  start: form("1", {}, "1 takes no argument"),
  /** Likewise. */
  stop: form("0", {}, "0 takes no argument"),
  /** Who is there: answered by one line of JSON (replies.ts), like the rest. */
  hello: form("hello", { nonce }, `hello ${takesNonce}`),
  /**
   * The protocol that the host knows, only where the hello lists "host"; answered by the one to be spoken. Words of what it does
   * beyond that (`hostWords`).
   */
  host: form(
    "host",
    { protocol: numberField(1, 9999), words: wordsOfHost },
    "host takes the number of a protocol, and words",
  ),
  /** The host has taken the CPU's stream up to this position; not answered. */
  ack: form(
    "ack",
    { cpu: numberField(0, 99_999), bytes: numberField(0, Number.MAX_SAFE_INTEGER) },
    "ack takes a CPU and a position in its stream",
  ),
  /** The counters. */
  status: form("status", {}, "status takes no argument"),
  /** What the guest's clocks show, answered at once, also while other orders are carried out. */
  clock: form("clock", { nonce }, `clock ${takesNonce}`),
  /** What decoding needs: these parts of it; without sections all, in the form of protocol 1. */
  metadata: form("metadata", { sections: listField(sectionOf) }, (rest) => {
    const unknown = rest.split(" ").find((word) => word !== "" && sectionOf(word) === undefined) ?? "";
    return `metadata knows ${knownSections}; not "${unknown.slice(0, 40)}"`;
  }),
  /** How long what a session set outlives the last sign of its host. */
  lease: form(
    "set lease",
    { seconds: numberField(leaseSecondsMin, leaseSecondsMax) },
    `set lease takes ${leaseSecondsMin} to ${leaseSecondsMax} seconds`,
  ),
  /** How long an event may wait in the guest. */
  latency_ms: form(
    "set latency_ms",
    { ms: numberField(latencyMsMin, latencyMsMax) },
    `set latency_ms takes ${latencyMsMin} to ${latencyMsMax} ms`,
  ),
  /** A part of a value that is longer than a line; undefined: the value is complete and takes effect. */
  part: form("set", { key: keyOfPart, part }, reasonOfSet, { lines: /^set \S+\+( |$)/ }),
  /** A setting of the guest's tracing. */
  set: form("set", { key: knownField(settableKey), value: knownField((text) => text.trim()) }, reasonOfSet, {
    isWhole: ({ key, value }) => value !== "" || emptyAllowed.has(key),
  }),
  /** Restores what this session set, of these keys, or of all. */
  restore: form("restore", { keys: listField(settableKey) }, `restore knows ${settableKeys.join(", ")}`),
} as const;

type Forms = typeof forms;
/** What a host may write. */
export type KnownOrder = {
  [Kind in keyof Forms]: { readonly order: Kind } & NonNullable<ReturnType<Forms[Kind]["read"]>>;
}[keyof Forms];
export type SetOrder = Extract<KnownOrder, { order: "set" | "part" | "lease" | "latency_ms" }>;
export type Order = KnownOrder | { readonly order: "malformed"; readonly text: string; readonly reason: string };

/** The guest's side: one line without its newline, which is not trusted. */
export function parseOrder(line: string): Order {
  const text = line.trimEnd();
  const malformed = (reason: string): Order => ({ order: "malformed", text: text.slice(0, 80), reason });
  if (!/^[\x20-\x7e]*$/.test(text)) return malformed("not printable ASCII");
  for (const [order, { word, lines, read, reason }] of Object.entries<AnyForm>(forms)) {
    if (lines === undefined ? text !== word && !text.startsWith(`${word} `) : !lines.test(text)) continue;
    const rest = text.slice(word.length + 1);
    const values = read(rest);
    if (values === undefined) return malformed(typeof reason === "string" ? reason : reason(rest));
    // Its form has read it.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return Object.assign({ order }, values) as KnownOrder;
  }
  return malformed("no such order");
}

/** The host's side: the line, without its newline. */
export function writeOrder(order: KnownOrder): string {
  const { write }: AnyForm = forms[order.order];
  // The form of this very order.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return write(order as never);
}

function reasonOfSet(rest: string): string {
  const [name = ""] = rest.split(" ", 1);
  return settableKey(name.replace(/\+$/, "")) === undefined
    ? `set knows ${[...settableKeys, "lease", "latency_ms"].join(", ")}`
    : `set ${name} takes a value`;
}

function settableKey(name: string): SettableKey | undefined {
  return settableKeys.find((known) => known === name);
}
