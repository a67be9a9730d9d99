/** `record --local -- COMMAND`: the command and its recording, from looking for its program to its exit code. */
import { log } from "../../base/log.ts";
import type { GuestDirectory } from "../guest-directory.ts";
import { withLocalGuest } from "../local.ts";
import type { RecordedCommand } from "../run/run-record.ts";
import { Command, CommandNotRun } from "./command.ts";
import { CommandRun, traceOnly } from "./command-run.ts";
import { callerOf } from "./run-as.ts";

export type CommandOptions = {
  /** Root's rights stay, also under sudo. */
  asRoot: boolean;
  /** Events of this task alone, or of it and the tasks that it makes. */
  only: "task" | "family" | undefined;
  /** Events of this program and its agent are recorded, too. */
  keepSelf: boolean;
};

/** Gives the command's exit code. Throws where the recording is not whole, when the command has ended. */
export async function recordCommand(
  { asRoot, only, keepSelf }: CommandOptions,
  record: (guest: GuestDirectory, command: RecordedCommand) => Promise<void>,
): Promise<number> {
  let command: Command;
  try {
    command = await Command.prepare(asRoot ? undefined : callerOf(process.env));
  } catch (error) {
    if (error instanceof CommandNotRun) return error.exitCode;
    throw error;
  }
  const run = new CommandRun(command);
  try {
    // Where the command's events alone are recorded, there are none of ours.
    await withLocalGuest({ keepSelf: keepSelf || only !== undefined }, async (guest, instance) => {
      if (only !== undefined) traceOnly(instance, command.pid, only === "family");
      await record(guest, run);
    });
  } finally {
    if (!command.isStarted) await command.cancel();
    else if (!command.hasEnded) log.info("the recording has ended; the command goes on");
    await command.ended();
    run.close();
  }
  return command.ended();
}
