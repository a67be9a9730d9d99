import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { eventually, PortDirectory } from "../support/agent-process.ts";
import { FakeTracing } from "../support/fake-tracing.ts";

const agentModule = resolve(import.meta.dir, "../../src/guest/agent.ts");

let tracing: FakeTracing;
let ports: PortDirectory;
beforeEach(() => {
  tracing = new FakeTracing([0]);
  ports = new PortDirectory([0]);
});
afterEach(() => {
  ports.close();
  tracing.close();
});

test("an unhandled rejection ends the agent in good order: what the host had set is restored", async () => {
  // SIGUSR2 stands for the bug.
  const program = `
    const { runAgent } = await import(${JSON.stringify(agentModule)});
    process.on("SIGUSR2", () => void Promise.reject(new Error("forgotten")));
    await runAgent({
      stdout: false, format: undefined, start: false, cpus: [0], pipeSizeBytes: 65536,
      tracefs: ${JSON.stringify(tracing.path)}, instance: undefined, portsDirectory: ${JSON.stringify(ports.path)},
    }).then(() => process.exit(1), (error) => { console.error("caught", error.message); process.exit(70); });
  `;
  const agent = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  agent.stderr.on("data", (text: Buffer) => (said += text.toString()));
  const ended = new Promise<number | null>((settle) => agent.on("close", settle));
  try {
    const context = (): string => said;
    await eventually(() => said.includes("armed"), "the agent is armed", context);
    await ports.ask("hello 1", "hello", context);
    await ports.ask("set buffer_size_kb 64", "set", context);
    expect(tracing.read("buffer_size_kb")).toBe("64");
    agent.kill("SIGUSR2");
    expect(await ended).toBe(70);
    expect(said).toContain("unhandled promise rejection: forgotten");
    expect(said).toContain("caught forgotten");
    expect(tracing.read("buffer_size_kb")).toBe("1408");
  } finally {
    agent.kill("SIGKILL");
  }
}, 300_000);
