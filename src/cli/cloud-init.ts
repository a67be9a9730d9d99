/** `trace-agent cloud-init`: user-data, or a seed image, that installs this executable in a guest. */
import { OutputFile } from "../base/output-file.ts";
import { AgentError } from "../base/errors.ts";
import { readSha256, readUrl, sha256Of, userData } from "../install/cloud-init.ts";
import { makeSeed } from "../install/seed-iso.ts";
import { log } from "../base/log.ts";
import { type Flags, makeCommand } from "./command.ts";
import { ownExecutable } from "./own-executable.ts";

const flags = {
  url: {
    type: "string",
    valueHint: "URL",
    description: "Print user-data for a guest that fetches the executable from there",
  },
  sha256: {
    type: "string",
    valueHint: "HEX",
    description: "With --url: of the executable there, if it is not this one",
  },
  output: { type: "string", short: "o", valueHint: "FILE", description: "With --url: where to write it (stdout)" },
  seed: { type: "string", valueHint: "FILE.iso", description: "Make a NoCloud seed image with this executable in it" },
} as const satisfies Flags;

export const cloudInitCommand = makeCommand({
  name: "cloud-init",
  description: "Make user-data for cloud-init that installs this program in a guest",
  flags,
  examples: [
    {
      what: "Fetched by the guest",
      line: "trace-agent cloud-init --url https://files.example/trace-agent > user-data",
    },
    { what: "In a seed image", line: "trace-agent cloud-init --seed seed.iso" },
  ],
  run: ({ url, sha256, seed, output }) => {
    if ((url === undefined) === (seed === undefined)) {
      throw new AgentError("usage", "give one of --url and --seed", { remedy: "see trace-agent cloud-init --help" });
    }
    if (sha256 !== undefined && url === undefined) throw new AgentError("usage", "--sha256 is for --url");
    if (output !== undefined && url === undefined)
      throw new AgentError("usage", "--output is for --url", { remedy: "name the image with --seed" });
    if (url !== undefined) {
      const source = { from: "url", url: readUrl(url) } as const;
      if (source.url.startsWith("http:"))
        log.warn(
          `${source.url} is fetched without encryption: only the SHA-256 in this user-data keeps a changed program out; use https`,
        );
      const sum = sha256 === undefined ? sha256Of(ownExecutable("cloud-init")) : readSha256(sha256);
      write(output ?? "-", userData(source, sum));
    } else if (seed !== undefined) {
      const program = ownExecutable("cloud-init");
      makeSeed(seed, program, sha256Of(program));
      log.info(`${seed}: made; attach it to the VM as a disk or a CD`);
    }
  },
});

/** Read by whoever makes the VM; nothing in it is secret. */
function write(path: string, text: string): void {
  const file = new OutputFile(path, { stream: true, mode: 0o644 });
  try {
    file.write(Buffer.from(text));
    file.finish();
  } finally {
    file.abandon();
  }
}
