/** `trace-agent licenses`: lists the work of others in this executable, with the texts of their licences. */
import { readFileSync } from "node:fs";
import type { Component, Contents } from "../../ffi/static/contents.ts";
import { AgentError } from "../base/errors.ts";
import { writeAsIs } from "../base/standard-output.ts";
import { version } from "../base/version.ts";
import { makeCommand } from "./command.ts";

const lgplNote = `The C library (glibc), libgcc and JavaScriptCore may be replaced by versions of your own: the LGPL gives you that
right, and the right to take this program apart to find faults in your change. trace-agent's build takes glibc and
libgcc from the machine it runs on, so with trace-agent's source (MIT), yours in their place and "npm run build" you
get this executable with your library. Their source is at the places named above, in the versions named above.

The texts of all these licences: trace-agent licenses --text
`;

export const licensesCommand = makeCommand({
  name: "licenses",
  description: "List what this executable holds of others, with versions and licences",
  flags: { text: { type: "boolean", description: "Print the texts of the licences too" } },
  run: ({ text }) => {
    const contents = readContents();
    print(`trace-agent ${version}  MIT\n\nThis executable (${contents.machine}) also holds:\n\n`);
    print(`${contents.components.map(describe).join("\n")}\n${lgplNote}`);
    if (!text) return;
    for (const { title, text: body } of contents.texts) print(`\n=== ${title} ===\n\n${body}`);
  },
});

function print(text: string): void {
  writeAsIs(Buffer.from(text));
}

/** build.ts puts this file beside the main file in the executable; the source tree has none. */
function readContents(): Contents {
  try {
    // Written into this file by our own build.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return JSON.parse(readFileSync(new URL("contents.json", import.meta.url), "utf8")) as Contents;
  } catch (cause) {
    throw new AgentError("unavailable", "cannot read the list of contents: this is not the built executable", {
      remedy: "npm run build, then dist/trace-agent licenses",
      cause,
    });
  }
}

function describe({ name, version: itsVersion, license, note, source, files }: Component): string {
  const carried = files.map((file) => `  ${file.name}  sha256 ${file.sha256}\n`).join("");
  return `${name} ${itsVersion}  ${license}\n  ${note}\n  source: ${source}\n${carried}`;
}
