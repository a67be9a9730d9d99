/** The agent that is measured: the built one, or another build named in TRACE_AGENT_BENCH to compare with. */
import { executable } from "../../support/agent-process.ts";

export const agentExecutable = process.env["TRACE_AGENT_BENCH"] ?? executable;
