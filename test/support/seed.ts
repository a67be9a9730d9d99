/**
 * What random tests begin with: the same in every run, so that a run says what the one before said. The long tests take another
 * one each time and say which; TRACE_AGENT_SEED repeats it.
 */
import { isLong } from "./long.ts";

export const testSeed = Number(process.env["TRACE_AGENT_SEED"] ?? (isLong ? Date.now() % 1_000_000_000 : 20_251_129));
if (isLong) console.error(`TRACE_AGENT_SEED=${testSeed}`);
