/** The version, from package.json at build time, and the commit that was built. */
import packageJson from "../../package.json" with { type: "json" };

export const version: string = packageJson.version;

/** Put in by build.ts (ffi/static/commit.ts); the source tree has none. */
declare const TRACE_AGENT_COMMIT: string | undefined;

const commit: string = typeof TRACE_AGENT_COMMIT === "undefined" ? "unknown" : TRACE_AGENT_COMMIT;

/** What --version says. */
export const versionText = `trace-agent ${version} (commit ${commit})`;
