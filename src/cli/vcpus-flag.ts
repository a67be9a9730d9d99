/** `--vcpus GUEST=TID,...`. */
import { AgentError } from "../base/errors.ts";
import type { Flag } from "./command.ts";

export const vcpusFlag = {
  type: "string",
  valueHint: "GUEST=TID,...",
  multiple: true,
  description: "The host's threads that run a guest's CPUs, in their order, where they are not found",
} as const satisfies Flag;

export function readVcpus(texts: readonly string[]): Map<string, readonly number[]> {
  return new Map(
    texts.map((text) => {
      const [, name, list] = /^(.+)=([1-9]\d{0,9}(?:,[1-9]\d{0,9})*)$/.exec(text) ?? [];
      if (name === undefined || list === undefined)
        throw new AgentError("usage", `cannot read --vcpus "${text}"`, { remedy: "as in --vcpus vm1=4711,4712" });
      return [name, list.split(",").map(Number)];
    }),
  );
}
