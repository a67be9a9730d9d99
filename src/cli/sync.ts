/** `trace-agent sync`: recordings of a host and its guests on one timeline, after the fact. */
import { AgentError } from "../base/errors.ts";
import { foreignText } from "../base/foreign-text.ts";
import { TerminalLine } from "../base/terminal-line.ts";
import { writeAsIs } from "../base/standard-output.ts";
import { groupId } from "../base/owners.ts";
import { syncFiles } from "../timeline/sync/sync-files.ts";
import { offsetText } from "../views/offset-text.ts";
import { type Flags, makeCommand } from "./command.ts";
import { outputFlags } from "./output-flags.ts";
import { readVcpus, vcpusFlag } from "./vcpus-flag.ts";

const flags = {
  output: { ...outputFlags.output, valueHint: "DIR", description: "A new directory for the copies" },
  group: outputFlags.group,
  host: {
    type: "string",
    valueHint: "FILE",
    description: "Which recording is the host's, where none says so (the first)",
  },
  offset: {
    type: "string",
    valueHint: "GUEST=NS[±NS]",
    multiple: true,
    description: "What is added to the times of a guest to get the host's, and how far off that may be (±1000000)",
  },
  vcpus: vcpusFlag,
  json: {
    type: "boolean",
    description: "One JSON object: each file, and how a guest was placed, as in session.json",
  },
} as const satisfies Flags;

/** Of an offset that is given without a bound. */
const offsetBoundNs = 1_000_000;

export const syncCommand = makeCommand({
  name: "sync",
  description:
    "Put recordings of a host and its guests on one timeline: copies are written that trace-cmd, KernelShark and trace-agent show in one order",
  flags,
  examples: [
    { what: "A recording of several machines", line: "trace-agent sync session -o one-timeline" },
    { what: "Recordings of their own", line: "trace-agent sync host.dat vm1.dat -o one-timeline" },
  ],
  positionals: [
    { name: "DIR|FILE", description: "The directory of a recording of several machines, or the files", rest: true },
  ],
  run: (values, paths) => {
    if (values.output === undefined)
      throw new AgentError("usage", "--output is missing", { remedy: "name a new directory: -o DIR" });
    const line = new TerminalLine();
    const files = syncFiles({
      onStep: (step) => line.show(`${foreignText(step, 60)} ...  (Ctrl-C ends it)`),
      paths,
      directory: values.output,
      group: values.group === undefined ? undefined : groupId(values.group),
      host: values.host,
      offsets: new Map(values.offset.map(readOffset)),
      vcpus: readVcpus(values.vcpus),
    });
    line.clear();
    if (values.json) writeAsIs(Buffer.from(`${JSON.stringify({ files })}\n`));
    else
      for (const { name, path, offset } of files)
        writeAsIs(Buffer.from(`${path}\n${offset === undefined ? "" : `${offsetText(name, offset)}\n`}`));
  },
});

function readOffset(text: string): [string, { ns: bigint; boundNs: number }] {
  const [, name, ns, bound] = /^(.+)=([+-]?\d{1,19})(?:(?:±|\+-)(\d{1,15}))?$/u.exec(text) ?? [];
  if (name === undefined || ns === undefined)
    throw new AgentError("usage", `cannot read --offset "${text}"`, {
      remedy: "as in --offset vm1=-5000000±20000, in ns",
    });
  return [name, { ns: BigInt(ns.replace(/^\+/, "")), boundNs: bound === undefined ? offsetBoundNs : Number(bound) }];
}
