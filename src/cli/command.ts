/**
 * How a command of the command line is made: citty's definition for its help, and a strict reading of its arguments.
 *
 * citty itself accepts unknown flags, keeps only the last of repeated ones and loses `--`, so the arguments are read by
 * node's parseArgs, and what it refuses becomes a usage error that suggests what may have been meant.
 */
import { parseArgs } from "node:util";
import type { ArgsDef, CommandDef } from "citty";
import { AgentError } from "../errors.ts";
import { closest } from "./suggest.ts";

export type Flag = {
  type: "boolean" | "string";
  short?: string;
  description: string;
  /** What stands for the value in the help: SIZE, LIST. */
  valueHint?: string;
  /** May be given more than once. */
  multiple?: boolean;
};
export type Flags = Record<string, Flag>;

export type FlagValues<T extends Flags> = {
  [Name in keyof T]: T[Name]["type"] extends "boolean" ? boolean : T[Name]["multiple"] extends true ? string[] : string | undefined;
};

export type Positional = { name: string; description: string; required?: boolean };

export type Command = { definition: CommandDef; run: (argv: readonly string[]) => Promise<void> };

export type CommandSpec<T extends Flags> = {
  name: string;
  description: string;
  flags: T;
  positionals?: readonly Positional[];
  run: (values: FlagValues<T>, positionals: string[]) => void | Promise<void>;
};

export const programName = "trace-agent";

const helpFlag = { help: { type: "boolean", short: "h", description: "Show this help" } } as const satisfies Flags;

export function makeCommand<T extends Flags>(spec: CommandSpec<T>): Command {
  const flags: Flags = { ...spec.flags, ...helpFlag };
  const name = spec.name === "" ? programName : `${programName} ${spec.name}`;
  const definition: CommandDef = {
    meta: { name, description: spec.description },
    args: { ...positionalsForHelp(spec.positionals ?? []), ...flagsForHelp(flags) },
  };
  return {
    definition,
    run: async (argv) => {
      const { values, positionals } = readArguments(name, flags, spec.positionals ?? [], argv);
      if (values["help"] === true) {
        process.stdout.write(`${await usage(definition)}\n`);
        return;
      }
      // The one place where the read values get the types that their flags declare.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      await spec.run(values as FlagValues<T>, positionals);
    },
  };
}

/** The help, coloured only for a terminal that wants it. */
export async function usage(definition: CommandDef): Promise<string> {
  const { renderUsage } = await import("citty");
  const text = await renderUsage(definition);
  return process.stdout.isTTY && !process.env["NO_COLOR"] ? text : Bun.stripANSI(text);
}

function readArguments(
  name: string,
  flags: Flags,
  wanted: readonly Positional[],
  argv: readonly string[],
): { values: Record<string, unknown>; positionals: string[] } {
  const options = Object.fromEntries(
    Object.entries(flags).map(([flag, { type, short, multiple }]) => [
      flag,
      { type, multiple: multiple ?? false, ...(short === undefined ? {} : { short }) },
    ]),
  );
  const help = `see ${name} --help`;
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
  const seen = new Set<string>();
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
    if (flag.type === "string" && (token.value === undefined || (!token.inlineValue && token.value.startsWith("-") && token.value !== "-"))) {
      throw new AgentError("usage", `option "${token.rawName}" needs a value`, { remedy: help });
    }
    if (flag.multiple !== true && flag.type === "string" && seen.has(token.name)) {
      throw new AgentError("usage", `option "${token.rawName}" is given twice`, { remedy: help });
    }
    seen.add(token.name);
  }
  const { values, positionals } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: true });
  const missing = wanted.filter((positional) => positional.required !== false)[positionals.length];
  if (missing !== undefined && values["help"] !== true) {
    throw new AgentError("usage", `${missing.name} is missing`, { remedy: help });
  }
  if (positionals.length > wanted.length) {
    throw new AgentError("usage", `unexpected argument "${positionals[wanted.length]}"`, { remedy: help });
  }
  for (const [flag, { type, multiple }] of Object.entries(flags)) {
    if (type === "boolean") values[flag] ??= false;
    else if (multiple === true) values[flag] ??= [];
  }
  return { values, positionals };
}

function positionalsForHelp(positionals: readonly Positional[]): ArgsDef {
  return Object.fromEntries(
    positionals.map(({ name, description, required }) => [
      name,
      { type: "positional", description, required: required ?? true } as const,
    ]),
  );
}

function flagsForHelp(flags: Flags): ArgsDef {
  return Object.fromEntries(
    Object.entries(flags).map(([name, { type, short, description, valueHint, multiple }]) => [
      name,
      {
        type,
        description: multiple === true ? `${description} (may be repeated)` : description,
        ...(short === undefined ? {} : { alias: short }),
        ...(valueHint === undefined ? {} : { valueHint }),
      },
    ]),
  );
}
