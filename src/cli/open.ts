/** `trace-agent open`: shows a recording in ui.perfetto.dev. */
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { AgentError, messageOf } from "../errors.ts";
import { defaultOutput, exportRecording, exportSummary } from "../host/export.ts";
import { serveTrace } from "../host/serve-trace.ts";
import { log } from "../log.ts";
import { type Flags, makeCommand } from "./command.ts";

const flags = {} as const satisfies Flags;

export const openCommand = makeCommand({
  name: "open",
  description: "Hands a recording to ui.perfetto.dev in a browser of this machine",
  flags,
  positionals: [{ name: "FILE", description: "A trace.dat, or a trace for Perfetto" }],
  run: async (_, [path = ""]) => {
    const trace = exported(path);
    const server = serveTrace(trace);
    process.once("SIGINT", server.stop);
    process.once("SIGTERM", server.stop);
    process.stdout.write(`open this in a browser on this machine:\n${server.address}\n`);
    log.info(`serving ${trace} on 127.0.0.1 until it was fetched once; Ctrl-C ends it`);
    await server.done;
  },
});

/** The Perfetto trace of the file: itself, or its export, made anew when the recording is newer. */
function exported(path: string): string {
  if (!isRecording(path)) return path;
  const output = defaultOutput(path);
  if (existsSync(output) && statSync(output).mtimeMs >= statSync(path).mtimeMs) return output;
  log.info(exportSummary(exportRecording({ path, output }), output));
  return output;
}

function isRecording(path: string): boolean {
  try {
    if (statSync(path).isDirectory()) return true;
    const head = new Uint8Array(3);
    const fd = openSync(path, "r");
    readSync(fd, head);
    closeSync(fd);
    return head[0] === 0x17 && head[1] === 0x08 && head[2] === 0x44;
  } catch (cause) {
    throw new AgentError("io", `cannot open "${path}": ${messageOf(cause)}`, { cause });
  }
}
