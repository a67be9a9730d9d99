/** The same trace as a person wants it: a trace.dat, its first events as text, and what opens it. */
import { join } from "node:path";
import { traceAgent } from "./program.ts";
import { detail, step } from "./terminal.ts";
import type { World } from "./world.ts";

const linesShown = 8;

/** Records for so long into DIR/trace.dat and shows the result. Gives the files that were made of it. */
export async function recordTraceDat(world: World, seconds: number, target: string): Promise<string[]> {
  const file = join(target, "trace.dat");
  const exported = join(target, "trace.pftrace");
  const page = join(target, "trace.html");

  step(`On the host: ${seconds} seconds into a trace.dat, decoded with what the guest tells of its events`);
  detail(await shown("record", world.directory, "-e", "sched", "-d", `${seconds}`, "-o", file));

  step("Its first events");
  const report = await shown("report", file);
  detail(
    report
      .split("\n")
      .slice(0, linesShown + 1)
      .join("\n"),
  );

  step("For Perfetto");
  detail(await shown("export", file, "-o", exported));

  step("As one page");
  detail(await shown("report", "--html", "-o", page, file));

  step("To look at them");
  detail(`${page}                                 in any browser: who waited, who ran meanwhile
dist/trace-agent report --stat ${file}   busiest tasks, wake-up latencies, losses
dist/trace-agent open ${file}            in ui.perfetto.dev, or load ${exported} there
trace-cmd report ${file}                 also KernelShark`);
  return [file, exported, page];
}

/** Shows the command as a person would type it, runs it, and gives what it says. */
async function shown(...words: string[]): Promise<string> {
  detail(`$ trace-agent ${words.join(" ")}`);
  return await traceAgent(...words);
}
