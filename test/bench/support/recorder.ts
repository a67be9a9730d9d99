/** A recorder of one guest that a series measures: when it records, and its end on order. */
import { existsSync, readFileSync } from "node:fs";
import { eventually } from "../../support/agent-process.ts";
import { type Child, hasEnded } from "./child.ts";

/** Waits until the guest has told the recorder that it runs: what was there before the start is not recorded. Fails when it ended instead. */
export async function hasBegun(recorder: Child, output: string): Promise<void> {
  const file = `${output}.spool/spool.json`;
  const isRunning = (): boolean => existsSync(file) && readFileSync(file, "utf8").includes('"reply":"start"');
  await eventually(() => isRunning() || hasEnded(recorder), "the recorder records");
  if (hasEnded(recorder)) throw new Error("the recorder ended");
}

/** By Ctrl-C; fails where the recording is not whole. */
export async function endRecording(recorder: Child): Promise<void> {
  recorder.kill("SIGINT");
  const code = await recorder.exited;
  if (code !== 0) throw new Error(`the recorder ended with ${code}`);
}
