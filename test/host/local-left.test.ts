/** What killed recorders of this machine left is taken away by the next, while it may go away by itself. */
import { afterEach, setDefaultTimeout, spyOn } from "bun:test";
import { existsSync, mkdirSync } from "node:fs";
import { localAgentCommand, removeLeft } from "../../src/host/local-left.ts";
import { eventually } from "../support/agent-process.ts";
import { testUnless } from "../support/test-unless.ts";
import { reasonWithoutTracefs } from "../support/tracefs.ts";

setDefaultTimeout(300_000);
const started: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const process of started.splice(0)) {
    process.kill("SIGKILL");
    await process.exited;
  }
});

testUnless(reasonWithoutTracefs(), "an agent that ends before it can be told to end is no error", async () => {
  // No process has this number any more.
  const name = `trace-agent-${Bun.spawnSync(["true"]).pid}`;
  mkdirSync(`/run/${name}`);
  const words = [localAgentCommand, "DIRECTORY", name];
  const agent = Bun.spawn(["sh", "-c", "while :; do sleep 0.1; done", ...words]);
  started.push(agent);
  const kill = process.kill.bind(process);
  const told = spyOn(process, "kill").mockImplementation((pid, signal) => {
    if (pid !== agent.pid) return kill(pid, signal);
    kill(pid, "SIGKILL");
    throw Object.assign(new Error("kill ESRCH"), { code: "ESRCH" });
  });
  try {
    await removeLeft("/sys/kernel/tracing/instances");
  } finally {
    told.mockRestore();
  }
  // Other recorders of this machine take it away, too.
  await eventually(() => !existsSync(`/run/${name}`), "the directory is gone");
});
