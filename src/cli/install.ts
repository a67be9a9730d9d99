/** `trace-agent install`: this very executable and its service, into the running system or an image's tree. */
import { AgentError } from "../errors.ts";
import { makeInitramfsAnew } from "../image/early-boot.ts";
import { ImageRoot } from "../image/image-root.ts";
import { findInit, type InitName, initNames } from "../image/init.ts";
import { findInitramfsMakers, install } from "../image/install.ts";
import { log } from "../log.ts";
import { type Flags, makeCommand } from "./command.ts";
import { ownExecutable } from "./own-executable.ts";

const flags = {
  root: { type: "string", valueHint: "DIR", description: "The tree of an image, instead of the running system; nothing of it is run" },
  init: { type: "string", valueHint: initNames.join("|"), description: "What starts the agent there (what the tree has)" },
  "early-boot": { type: "boolean", description: "Also into the initramfs (initramfs-tools, dracut), to trace what comes before the root file system" },
} as const satisfies Flags;

export const installCommand = makeCommand({
  name: "install",
  description: "Copy this program to /usr/local/bin, write and enable its service",
  flags,
  run: (values) => {
    const root = new ImageRoot(values.root ?? "/");
    const init = values.init === undefined ? findInit(root) : readInit(values.init);
    const program = ownExecutable("install");
    const early = values["early-boot"] ? findInitramfsMakers(root) : [];
    if (values["early-boot"] && early.length === 0) {
      throw new AgentError("unavailable", "cannot put the agent into the initramfs: there is neither initramfs-tools nor dracut", {
        remedy: "leave out --early-boot, or install one of them into the image first",
      });
    }
    for (const { path, outcome } of install(root, init, program, early)) log.info(`${path}: ${outcome}`);
    if (init === "none") log.info("no service: start trace-agent from what your image runs at boot");
    else log.info(`enabled for ${init}`);
    if (early.length > 0) log.info(makeInitramfsAnew);
  },
});

function readInit(text: string): InitName {
  const known = initNames.find((name) => name === text);
  if (known === undefined) throw new AgentError("usage", `unknown init "${text}"`, { remedy: `use one of ${initNames.join(", ")}` });
  return known;
}
