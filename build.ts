/**
 * Builds the executable: `bun build.ts [--all] [--release] [--quiet]`.
 *
 * Without a flag: dist/trace-agent for this machine. Nothing is built when no input changed since the last time.
 */
import { mkdirSync } from "node:fs";
import { compile } from "./ffi/entry/compile.ts";

/** The main program, and each file that is started as a Worker. */
const entrypoints = ["src/main.ts", "src/guest/cpu-worker.ts", "src/guest/control-worker.ts"];

/** Where the Worker files lie: makes `new URL("./cpu-worker.ts", import.meta.url)` right in the bundle too. */
const root = "src/guest";

mkdirSync("dist", { recursive: true });
await compile({ entrypoints, root, outfile: "dist/trace-agent" });
