/**
 * Runs a command and writes to a file what it cost: a process of its own, since the kernel counts the peak of the process that
 * starts a child for the child's too. bun measure-child.ts RESULT COMMAND...
 */
import { writeFileSync } from "node:fs";

const [result = "", ...command] = process.argv.slice(2);
const child = Bun.spawn(command, { stdin: "ignore", stdout: "inherit", stderr: "inherit" });
const code = await child.exited;
const usage = child.resourceUsage();
writeFileSync(
  result,
  JSON.stringify({
    code,
    cpuSeconds: Number(usage?.cpuTime.total ?? 0) / 1e6,
    peakMiB: (usage?.maxRSS ?? 0) / 1024 / 1024,
  }),
);
