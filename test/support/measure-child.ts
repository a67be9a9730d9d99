/**
 * Runs commands and tells what each cost: a process of its own, since the kernel counts the peak of the process that starts a child
 * for the child's too. It reads a line for each, { command, stderr: path of a file } in JSON, and answers with one.
 */
import { closeSync, openSync } from "node:fs";

for await (const line of console) {
  if (line === "") break;
  const { command, stderr } = JSON.parse(line) as { command: string[]; stderr: string };
  const fd = openSync(stderr, "w");
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: fd });
  const code = await child.exited;
  closeSync(fd);
  const usage = child.resourceUsage();
  console.log(
    JSON.stringify({
      code,
      cpuSeconds: Number(usage?.cpuTime.total ?? 0) / 1e6,
      peakMiB: (usage?.maxRSS ?? 0) / 1024 / 1024,
    }),
  );
}
