/**
 * The processor that this runs on. A build puts its name here; the bundler would put that of the machine that builds in the place of
 * `process.arch`. Not of node:os: each thread that loads that pays for it.
 */
declare const TRACE_AGENT_MACHINE: string | undefined;

export const architecture: string = typeof TRACE_AGENT_MACHINE === "string" ? TRACE_AGENT_MACHINE : process.arch;
