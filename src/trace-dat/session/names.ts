/** Names of a session's directory (session-file.ts), for who only needs to know one. */

export const sessionFileName = "session.json";
/** Below the directory; a spool of its own for each machine that is recorded, or was when the recorder was killed. */
export const sessionSpools = ".spool";
/** The socket on which the recorder of the directory listens. */
export const sessionControl = ".control";
export const sessionKind = "trace-agent session";
/** What the machine is called that the recorder runs on. */
export const hostName = "host";
