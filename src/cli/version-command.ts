/** `trace-agent version`: as --version. */
import { print } from "../base/standard-output.ts";
import { versionText } from "../base/version.ts";
import { makeCommand } from "./command.ts";

export const versionCommand = makeCommand({
  name: "version",
  description: "Print the version and the commit that it was built from, as --version and -V do",
  flags: {},
  run: () => print(`${versionText}\n`),
});
