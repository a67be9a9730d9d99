/** `trace-agent open`: shows recordings in ui.perfetto.dev, or in a copy of Perfetto's UI that is on this machine. */
import { closeSync, constants, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { basename } from "node:path";
import { endSignals } from "../base/end-signals.ts";
import { placeError } from "../base/directory.ts";
import { AgentError, errnoOf } from "../base/errors.ts";
import { log } from "../base/log.ts";
import { identitiesOf } from "../base/output-place.ts";
import { makePrivateDirectory, removePrivateDirectory } from "../base/private-directory.ts";
import { print } from "../base/standard-output.ts";
import type { PartSelection } from "../trace-dat/parts.ts";
import { magic } from "../trace-dat/format.ts";
import { defaultOutput, exportRecording } from "../views/export.ts";
import { serveUi } from "../views/perfetto-ui/serve-ui.ts";
import { openUiFiles } from "../views/perfetto-ui/ui-files.ts";
import { serveTrace } from "../views/serve-trace.ts";
import { type Flags, makeCommand } from "./command.ts";
import { partFlags, readParts } from "./part-flags.ts";

const flags = {
  ui: {
    type: "string",
    valueHint: "FILE",
    description: "Perfetto's UI itself: perfetto-ui.zip of its release, or where that is unpacked; needs no internet",
  },
  ...partFlags,
} as const satisfies Flags;

export const openCommand = makeCommand({
  name: "open",
  description: "Hand recordings, in one trace, to Perfetto in a browser of this machine",
  flags,
  examples: [
    { what: "Prints the address to open", line: "trace-agent open trace.dat" },
    { what: "Several machines on one timeline", line: "trace-agent open DIR" },
    { what: "Without internet", line: "trace-agent open --ui perfetto-ui.zip trace.dat" },
  ],
  positionals: [
    {
      name: "FILE",
      description: "A trace.dat, the DIR of several machines, any number of them; or a trace for Perfetto",
      rest: true,
    },
  ],
  run: async (values, paths) => {
    const [path = ""] = paths;
    const chosen = readParts(values);
    const isPlain = paths.length === 1 && chosen.machines === undefined && chosen.buffers === undefined;
    // What cannot be used is told before a long export.
    const files = values.ui === undefined ? undefined : openUiFiles(values.ui);
    const { trace, remove } = isPlain ? await exported(path) : await exportedTogether(paths, chosen);
    try {
      const server = files === undefined ? serveTrace(trace) : serveUi(trace, files);
      for (const signal of endSignals()) process.once(signal, server.stop);
      print(`open this in a browser on this machine:\n${server.address}\n`);
      const until = files === undefined ? "until that page has fetched it; Ctrl-C ends it" : "and the UI, until Ctrl-C";
      log.info(`serving ${trace} on 127.0.0.1 ${until}`);
      await server.done;
    } finally {
      remove();
    }
  },
});

/** What the page opens. */
const form = "perfetto";

type Exported = { trace: string; remove: () => void };

/** The Perfetto trace of the file: the file itself, or its export, which is made again when the recording is newer. */
async function exported(path: string): Promise<Exported> {
  const remove = (): void => {};
  if (!isRecording(path)) return { trace: path, remove };
  const output = await defaultOutput([path], form);
  if (existsSync(output) && statSync(output).mtimeMs >= statSync(path).mtimeMs) return { trace: output, remove };
  try {
    return { trace: await exportTo([path], {}, output), remove };
  } catch (error) {
    if (!isForbidden(error)) throw error;
  }
  // The recording's directory is read-only.
  return await exportedApart([path], {}, basename(output));
}

/** No name of one file tells what it holds. */
async function exportedTogether(paths: readonly string[], chosen: PartSelection): Promise<Exported> {
  const other = paths.find((path) => !isRecording(path));
  if (other !== undefined)
    throw new AgentError("usage", `cannot open "${other}" with others, or a part of it: it is no recording`, {
      remedy: "open it alone",
    });
  return await exportedApart(paths, chosen, basename(await defaultOutput(paths, form)));
}

/** In a temporary directory. */
async function exportedApart(paths: readonly string[], chosen: PartSelection, name: string): Promise<Exported> {
  const directory = makePrivateDirectory();
  const removeDirectory = (): void => removePrivateDirectory(directory);
  try {
    return { trace: await exportTo(paths, chosen, `${directory}/${name}`), remove: removeDirectory };
  } catch (error) {
    removeDirectory();
    throw error;
  }
}

async function exportTo(paths: readonly string[], chosen: PartSelection, output: string): Promise<string> {
  const request = { path: output, group: undefined, inputs: identitiesOf(...paths) };
  const { name, amount } = await exportRecording({ paths, chosen, form, output: request });
  log.info(`${name}: ${amount}`);
  return name;
}

function isForbidden(error: unknown): boolean {
  if (!(error instanceof AgentError)) return false;
  return error.kind === "permission" || errnoOf(error.cause) === "EROFS";
}

/** First bytes of what ui.perfetto.dev reads: its own traces (as protobuf field 1), packed ones, and JSON. */
const traceHeads = ["\n", "\x1f\x8b", "PK\x03\x04"];
const jsonHead = /^\s*[[{]/;
const headBytes = 64;

/** False for a trace that the page reads as it is. Throws where the file is neither: it is not the page's business. */
function isRecording(path: string): boolean {
  let head: string;
  try {
    if (statSync(path).isDirectory()) return true;
    head = readHead(path);
  } catch (cause) {
    throw placeError(path, "open", cause);
  }
  if (head.startsWith(magic.slice(0, 3))) return true;
  if (traceHeads.some((form) => head.startsWith(form)) || jsonHead.test(head)) return false;
  throw new AgentError("input", `cannot open "${path}": it is neither a recording nor a trace for Perfetto`, {
    remedy: "name a trace.dat, the FILE.spool of a recording that was not finished, or what trace-agent export wrote",
  });
}

/** Of a regular file only: a FIFO would be waited for. */
function readHead(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    if (!fstatSync(fd).isFile()) return "";
    const head = Buffer.alloc(headBytes);
    return head.toString("latin1", 0, readSync(fd, head));
  } finally {
    closeSync(fd);
  }
}
