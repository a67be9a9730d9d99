/** Names of tasks that were told at different times: the kernel forgets old ones, and a segment shows both. */

/** Lines "PID NAME": those of both lists, the later one's where both have a PID. */
export function joinCommands(earlier: string | undefined, later: string | undefined): string | undefined {
  if (earlier === undefined || later === undefined || earlier === later) return later ?? earlier;
  const lines = new Map<string, string>();
  for (const line of [...later.split("\n"), ...earlier.split("\n")]) {
    const pid = line.split(" ", 1)[0] ?? "";
    if (pid !== "" && !lines.has(pid) && lines.size < namesMax) lines.set(pid, line);
  }
  return `${[...lines.values()].join("\n")}\n`;
}

/** As many as the kernel keeps at most (32,768, kernel/trace/trace_sched_switch.c). */
const namesMax = 32_768;
