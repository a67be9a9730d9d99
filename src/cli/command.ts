/**
 * How a command of the command line is made: one description of its arguments, from which help, man page and completions
 * are made, and a strict reading of them.
 *
 * The arguments are read by node's parseArgs, and what it refuses becomes a usage error that suggests what may have been
 * meant.
 */
import { isTerminal } from "../base/is-terminal.ts";
import { print } from "../base/standard-output.ts";
import { AgentError } from "../base/errors.ts";
import { closest } from "../base/suggest.ts";

export type Flag = {
  type: "boolean" | "string";
  short?: string;
  description: string;
  /** Placeholder for the value in the help: SIZE, LIST; FILE, DIR and a|b|c are completed. */
  valueHint?: string;
  /** What the value may be, for completions, where the hint does not list it. */
  words?: readonly string[];
  /** May be given more than once. */
  multiple?: boolean;
  /** The value may be left out, which reads as "": what follows is the value only where it matches. */
  optional?: RegExp;
};
export type Flags = Record<string, Flag>;

export type FlagValues<T extends Flags> = {
  [Name in keyof T]: T[Name]["type"] extends "boolean"
    ? boolean
    : T[Name]["multiple"] extends true
      ? string[]
      : string | undefined;
};

/** `rest`: the last one, which may be given any number of times. */
export type Positional = {
  name: string;
  description: string;
  required?: boolean;
  rest?: boolean;
  words?: readonly string[];
};

/** An option as it was given: some count for what stands before or behind them. */
export type OptionUse = { name: string; value: string | undefined };

/** `what`: without a full stop; undefined for a line that belongs to the one before. */
export type Example = { what?: string; line: string };

/** What help, man page and completions tell of a command. */
export type CommandText = {
  /** "" for the program without a command. */
  name: string;
  description: string;
  flags: Flags;
  /** Options under a heading of their own, by heading; what is in none stands under "Options". */
  groups?: Readonly<Record<string, readonly string[]>>;
  positionals?: readonly Positional[];
  /** What may follow behind "--", not read as options. */
  rest?: Positional;
  examples?: readonly Example[];
};

export type Command = { text: CommandText; run: (argv: readonly string[]) => Promise<void> };

export type CommandSpec<T extends Flags> = CommandText & {
  flags: T;
  /** `order`: the options in the order in which they were given. `rest`: undefined without "--". */
  run: (
    values: FlagValues<T>,
    positionals: string[],
    order: readonly OptionUse[],
    rest: readonly string[] | undefined,
  ) => void | Promise<void>;
};

export const programName = "trace-agent";

/** "trace-agent record"; the program alone where the command has no name. */
export function titleOf({ name }: CommandText): string {
  return name === "" ? programName : `${programName} ${name}`;
}

const helpFlag = { help: { type: "boolean", short: "h", description: "Show this help" } } as const satisfies Flags;

export function makeCommand<T extends Flags>(spec: CommandSpec<T>): Command {
  const flags: Flags = { ...spec.flags, ...helpFlag };
  const text: CommandText = { ...spec, flags };
  return {
    text,
    run: async (argv) => {
      // No option takes "--" for its value.
      const end = spec.rest === undefined ? -1 : argv.indexOf("--");
      const own = end < 0 ? argv : argv.slice(0, end);
      const { values, positionals, order } = await readArguments(titleOf(text), flags, spec.positionals ?? [], own);
      if (values["help"] === true) {
        await showHelp(text);
        return;
      }
      // Here alone the parsed values get the types that their flags declare.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      await spec.run(values as FlagValues<T>, positionals, order, end < 0 ? undefined : argv.slice(end + 1));
    },
  };
}

export async function showHelp(text: CommandText): Promise<void> {
  const { commandHelp, programHelp } = await import("./help.ts");
  const { commandGroups } = await import("./commands.ts");
  const help = text.name === "" ? programHelp(text, commandGroups) : commandHelp(text);
  print(isTerminal(1) && !process.env["NO_COLOR"] ? help.replaceAll(/^\S.*:$/gm, "\x1b[1m$&\x1b[0m") : help);
}

async function readArguments(
  name: string,
  flags: Flags,
  wanted: readonly Positional[],
  given: readonly string[],
): Promise<{ values: Record<string, unknown>; positionals: string[]; order: OptionUse[] }> {
  if (given.length === 0 && !wanted.some(({ required }) => required !== false))
    return { values: unsetValues(flags), positionals: [], order: [] };
  const argv = withOptionalValues(flags, given);
  const options = Object.fromEntries(
    Object.entries(flags).map(([flag, { type, short, multiple }]) => [
      flag,
      { type, multiple: multiple ?? false, ...(short === undefined ? {} : { short }) },
    ]),
  );
  const help = `see ${name} --help`;
  // Here, because an agent without options does not need it.
  const { parseArgs } = await import("node:util");
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
  const seen = new Set<string>();
  const order: OptionUse[] = [];
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const flag = flags[token.name];
    if (flag === undefined || !Object.hasOwn(flags, token.name)) {
      const near = closest(token.name, Object.keys(flags));
      throw new AgentError("usage", `unknown option "${token.rawName}"`, {
        remedy: near === undefined || token.name.length < 2 ? help : `did you mean --${near}? ${help}`,
      });
    }
    if (flag.type === "boolean" && token.value !== undefined) {
      throw new AgentError("usage", `option "${token.rawName}" takes no value`, { remedy: help });
    }
    if (
      flag.type === "string" &&
      (token.value === undefined || (!token.inlineValue && token.value.startsWith("-") && token.value !== "-"))
    ) {
      throw new AgentError("usage", `option "${token.rawName}" needs a value`, { remedy: help });
    }
    if (flag.multiple !== true && flag.type === "string" && seen.has(token.name)) {
      throw new AgentError("usage", `option "${token.rawName}" is given twice`, { remedy: help });
    }
    seen.add(token.name);
    order.push({ name: token.name, value: token.value });
  }
  const { values, positionals } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: true });
  const missing = wanted.filter((positional) => positional.required !== false)[positionals.length];
  if (missing !== undefined && values["help"] !== true) {
    throw new AgentError("usage", `${missing.name} is missing`, { remedy: help });
  }
  if (positionals.length > wanted.length && wanted.at(-1)?.rest !== true) {
    throw new AgentError("usage", `unexpected argument "${positionals[wanted.length]}"`, { remedy: help });
  }
  return { values: { ...unsetValues(flags), ...values }, positionals, order };
}

/** `--wakeups 5` and `--wakeups` as `--wakeups=5` and `--wakeups=`. */
function withOptionalValues(flags: Flags, argv: readonly string[]): string[] {
  const args: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const arg = argv[at] ?? "";
    const optional =
      arg.startsWith("--") && Object.hasOwn(flags, arg.slice(2)) ? flags[arg.slice(2)]?.optional : undefined;
    if (optional === undefined) args.push(arg);
    else if (optional.test(argv[at + 1] ?? "")) args.push(`${arg}=${argv[++at]}`);
    else args.push(`${arg}=`);
  }
  return args;
}

/** The values of options of which none was given. */
export function unsetValues<T extends Flags>(flags: T): FlagValues<T> {
  const values = Object.entries(flags).map(([flag, { type, multiple }]) => [
    flag,
    type === "boolean" ? false : multiple === true ? [] : undefined,
  ]);
  // Each value has the type that its flag declares.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(values) as FlagValues<T>;
}
