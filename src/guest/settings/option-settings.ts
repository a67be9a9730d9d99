/**
 * `set options`: trace options by name, "stacktrace nooverwrite". Only names of the protocol are accepted, so
 * that none is a path.
 */
import { existsSync } from "node:fs";
import { traceOptions } from "../../protocol/trace-options.ts";
import { readTracing, writeTracing } from "../../tracefs/tracefs.ts";
import { guestLimits } from "../limits.ts";
import { fewFunctionsNamed } from "./function-settings.ts";
import { type Change, type Place, plainPlace, refusal } from "./place.ts";

const stackOfFunctions = "func_stack_trace";

export function optionPlace(directory: string, option: string): Place {
  const file = `options/${option}`;
  return plainPlace({
    id: `option ${option}`,
    read: () => readTracing(directory, file),
    write: (value) => writeTracing(directory, file, value),
    accepts: (value) => /^[01]$/.test(value),
  });
}

export function planOptions(directory: string, value: string): Change[] {
  const changes = new Map<string, Change>();
  for (const word of value.split(/ +/).filter((one) => one !== "")) {
    const { option, on } = readOption(word);
    if (!traceOptions.includes(option)) throw refusal("options", word, `an order may name ${traceOptions.join(", ")}`);
    const place = optionPlace(directory, option);
    if (!existsSync(`${directory}/options/${option}`)) throw refusal("options", word, "this kernel has no such option");
    if (option === stackOfFunctions && on && !fewFunctionsNamed(directory))
      throw refusal(
        "options",
        word,
        `it locks a kernel up unless 1 to ${guestLimits.stackFunctions} functions are named first`,
      );
    changes.set(option, { place, text: on ? "1" : "0" });
  }
  return [...changes.values()];
}

function readOption(word: string): { option: string; on: boolean } {
  return word.startsWith("no") ? { option: word.slice(2), on: false } : { option: word, on: true };
}
