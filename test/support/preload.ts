/**
 * Before every test file (bunfig.toml): property tests begin with the seed of all random tests, nothing is kept, and what the caller's
 * environment says of shells, and its umask, count for nothing.
 */
import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import * as fc from "fast-check";
import { endAll } from "./at-end.ts";
import { inQuickForm } from "./quick.ts";
import { testSeed } from "./seed.ts";

fc.configureGlobal({ seed: testSeed, numRuns: inQuickForm(25, 100) });

// Tests make directories for other users.
process.umask(0o022);

// script(1) runs its line by it. A shell that stays between it and the program is ended by a Ctrl-C that is for the program.
process.env["SHELL"] = "/bin/sh";

// What recorders of tests keep of their guests' symbols (systemd's name of a cache).
const cache = mkdtempSync(`${tmpdir()}/trace-agent-cache-`);
process.env["CACHE_DIRECTORY"] = cache;
// After the last file; `bun test` hears no "exit".
afterAll(async () => {
  await endAll();
  rmSync(cache, { recursive: true, force: true });
});
