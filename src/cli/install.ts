/** `trace-agent install`: installs this executable and its service into the running system or an image's tree. */
import { AgentError } from "../base/errors.ts";
import { makeInitramfsAnew } from "../install/early-boot.ts";
import { ImageRoot } from "../install/image-root.ts";
import { findInit, type InitName, initNames } from "../install/init.ts";
import { recorderConfigPath } from "../install/recorder-service.ts";
import { programPath } from "../install/service-files.ts";
import { findInitramfsMakers, install } from "../install/install.ts";
import { log } from "../base/log.ts";
import { type Flags, makeCommand } from "./command.ts";
import { ownExecutable } from "./own-executable.ts";

const flags = {
  root: {
    type: "string",
    valueHint: "DIR",
    description: "The tree of an image, instead of the running system; nothing of it is run",
  },
  init: {
    type: "string",
    valueHint: initNames.join("|"),
    description: "What starts the agent there (what the tree has)",
  },
  "early-boot": {
    type: "boolean",
    description:
      "Also into the initramfs (initramfs-tools, dracut), to trace what happens before the root file system is mounted",
  },
  recorder: {
    type: "boolean",
    description: `On a host: a service that records its guests as ${recorderConfigPath} says, instead of a guest's agent`,
  },
  force: { type: "boolean", description: "Replace also other programs' files, and files changed by hand" },
} as const satisfies Flags;

export const installCommand = makeCommand({
  name: "install",
  description: "Copy this program to /usr/local/bin, write and enable its service",
  flags,
  examples: [
    { what: "The running guest", line: "trace-agent install" },
    { what: "The tree of an image", line: "trace-agent install --root /mnt/image" },
    { what: "A host that records its guests", line: "trace-agent install --recorder" },
    { what: "To trace the boot", line: "trace-agent install --early-boot && update-initramfs -u" },
  ],
  run: (values) => {
    const root = new ImageRoot(values.root ?? "/");
    const init = values.init === undefined ? findInit(root) : readInit(values.init);
    const program = ownExecutable("install");
    const { recorder } = values;
    if (recorder && values["early-boot"])
      throw new AgentError("usage", "--early-boot is for a guest's agent, and --recorder for a host");
    if (recorder && init !== "systemd")
      throw new AgentError("unavailable", `cannot install the recorder's service for init "${init}": it is systemd's`, {
        remedy: `let what starts programs there run: ${programPath} record --config FILE`,
      });
    const early = values["early-boot"] ? findInitramfsMakers(root, init) : [];
    if (values["early-boot"] && early.length === 0) {
      throw new AgentError(
        "unavailable",
        "cannot put the agent into the initramfs: there is neither initramfs-tools nor dracut",
        {
          remedy: "leave out --early-boot, or install one of them into the image first",
        },
      );
    }
    for (const { path, outcome } of install(root, init, program, { early, force: values.force, recorder })) {
      if (outcome === "left") log.warn(`${path}: left as it is: it was changed by hand; --force replaces it`);
      else log.info(`${path}: ${outcome}`);
    }
    if (init === "none")
      log.warn(
        `nothing starts it: ${root.root} has no init that is known (systemd, OpenRC, /etc/init.d); start ${programPath} from what runs at its boot, or name what it will have with --init`,
      );
    else log.info(`enabled for ${init}${recorder ? `; what it records says ${recorderConfigPath}` : ""}`);
    if (early.length > 0) log.info(makeInitramfsAnew);
  },
});

function readInit(text: string): InitName {
  const known = initNames.find((name) => name === text);
  if (known === undefined)
    throw new AgentError("usage", `unknown init "${text}"`, { remedy: `use one of ${initNames.join(", ")}` });
  return known;
}
