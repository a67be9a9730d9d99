/** The agent's --ports in a directory that another user writes: nothing is written through links of theirs. */
import { describe, expect, test } from "bun:test";
import { chownSync, lchownSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { AgentFixture } from "../support/agent-fixture.ts";

const fixture = new AgentFixture("ports-directory");
const mallory = 61_001;

describe.skipIf(fixture.skipReason !== undefined)("--ports in a directory of somebody else", () => {
  test("follows links of root's, and none of theirs", async () => {
    const directory = `${fixture.scratch}/theirs`;
    mkdirSync(directory);
    chownSync(directory, mallory, mallory);
    const [secret, ours] = [`${fixture.scratch}/secret`, `${fixture.scratch}/ours`];
    writeFileSync(secret, "root's own");
    writeFileSync(ours, "");
    symlinkSync(secret, `${directory}/trace-path-cpu0`);
    lchownSync(`${directory}/trace-path-cpu0`, mallory, mallory);
    const refused = fixture.launch(["--ports", directory, "--start", "--cpus", "0"]);
    await refused.says("is a symbolic link of user 61001, who is neither you nor root");
    expect((await refused.end()).code).not.toBe(0);
    expect(readFileSync(secret, "latin1")).toBe("root's own");

    lchownSync(`${directory}/trace-path-cpu0`, 0, 0);
    symlinkSync(ours, `${directory}/x`);
    const agent = fixture.launch(["--ports", directory, "--start", "--cpus", "0"]);
    await agent.says("armed: ");
    expect(readdirSync(directory).sort()).toEqual(["trace-path-cpu0", "x"]);
  }, 300_000);
});
