/** Flags of what a recorder of several machines may use of its host, and their reading. */
import { descriptorsHard } from "../base/descriptors.ts";
import { AgentError } from "../base/errors.ts";
import { hostLimits } from "../host/limits.ts";
import type { OwnBounds } from "../host/machines/own-bounds.ts";
import type { Flags, FlagValues } from "./command.ts";
import { formatSize, parseSize } from "./size.ts";

export const boundFlags = {
  "max-memory": {
    type: "string",
    valueHint: "SIZE",
    description: `What the recorder may use of memory, as in 256M: no further guest is taken, and the last one is given up; needs -o DIR`,
  },
  "max-descriptors": {
    type: "string",
    valueHint: "COUNT",
    description: "How many files it may have open: a guest for which they do not do is left out; needs -o DIR",
  },
} as const satisfies Flags;

export function readBounds(values: FlagValues<typeof boundFlags>): OwnBounds | undefined {
  const { "max-memory": memory, "max-descriptors": descriptors } = values;
  if (memory === undefined && descriptors === undefined) return undefined;
  return {
    ...(memory === undefined ? {} : { memoryBytes: readMemory(memory) }),
    ...(descriptors === undefined ? {} : { descriptors: readDescriptors(descriptors) }),
  };
}

function readMemory(text: string): number {
  const bytes = parseSize("max-memory", text);
  if (bytes >= hostLimits.memoryMinBytes) return bytes;
  throw new AgentError("usage", `cannot read max-memory "${text}": too little for a recorder`, {
    remedy: `at least ${formatSize(hostLimits.memoryMinBytes)}`,
  });
}

function readDescriptors(text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (count < hostLimits.descriptorsMin)
    throw new AgentError("usage", `cannot read max-descriptors "${text}"`, {
      remedy: `a number, at least ${hostLimits.descriptorsMin}`,
    });
  const most = descriptorsHard() ?? count;
  if (count <= most) return count;
  throw new AgentError("usage", `cannot use max-descriptors "${text}": this program may have ${most}`, {
    remedy: "raise the limit (ulimit -Hn; LimitNOFILE= of a service)",
  });
}
