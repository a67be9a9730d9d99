/** `trace-agent uninstall`: undoes `trace-agent install`. */
import { makeInitramfsAnew, needsInitramfsAnew } from "../image/early-boot.ts";
import { ImageRoot } from "../image/image-root.ts";
import { uninstall } from "../image/install.ts";
import { log } from "../log.ts";
import { type Flags, makeCommand } from "./command.ts";

const flags = {
  root: { type: "string", valueHint: "DIR", description: "The tree of an image, instead of the running system; nothing of it is run" },
} as const satisfies Flags;

export const uninstallCommand = makeCommand({
  name: "uninstall",
  description: "Stop the agent, remove its service and the program",
  flags,
  run: ({ root = "/" }) => {
    const removed = uninstall(new ImageRoot(root));
    for (const path of removed) log.info(`${path}: removed`);
    if (removed.some(needsInitramfsAnew)) log.info(makeInitramfsAnew);
    if (removed.length === 0) log.info("nothing to remove");
  },
});
