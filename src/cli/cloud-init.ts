/** `trace-agent cloud-init`: user-data, or a seed image, that installs this executable in a guest. */
import { AgentError } from "../errors.ts";
import { readSha256, readUrl, sha256Of, userData } from "../image/cloud-init.ts";
import { makeSeed } from "../image/seed-iso.ts";
import { log } from "../log.ts";
import { type Flags, makeCommand } from "./command.ts";
import { ownExecutable } from "./own-executable.ts";

const flags = {
  url: { type: "string", valueHint: "URL", description: "Print user-data for a guest that fetches the executable from there" },
  sha256: { type: "string", valueHint: "HEX", description: "With --url: of the executable there, when it is not this very one" },
  seed: { type: "string", valueHint: "FILE.iso", description: "Make a NoCloud seed image with this executable in it" },
} as const satisfies Flags;

export const cloudInitCommand = makeCommand({
  name: "cloud-init",
  description: "Make user-data for cloud-init that installs this program in a guest",
  flags,
  run: ({ url, sha256, seed }) => {
    if ((url === undefined) === (seed === undefined)) {
      throw new AgentError("usage", "give one of --url and --seed", { remedy: "see trace-agent cloud-init --help" });
    }
    if (sha256 !== undefined && url === undefined) throw new AgentError("usage", "--sha256 is for --url");
    if (url !== undefined) {
      const source = { from: "url", url: readUrl(url) } as const;
      process.stdout.write(userData(source, sha256 === undefined ? sha256Of(ownExecutable("cloud-init")) : readSha256(sha256)));
    } else if (seed !== undefined) {
      const program = ownExecutable("cloud-init");
      makeSeed(seed, program, sha256Of(program));
      log.info(`${seed}: made; attach it to the VM as a disk or a CD`);
    }
  },
});
