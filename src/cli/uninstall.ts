/** `trace-agent uninstall`: undoes `trace-agent install`. */
import { makeInitramfsAnew, needsInitramfsAnew } from "../install/early-boot.ts";
import { ImageRoot } from "../install/image-root.ts";
import { uninstall } from "../install/install.ts";
import { log } from "../base/log.ts";
import { type Flags, makeCommand } from "./command.ts";

const flags = {
  root: {
    type: "string",
    valueHint: "DIR",
    description: "The tree of an image, instead of the running system; nothing of it is run",
  },
  force: { type: "boolean", description: "Remove also what is not this program's, and what was changed by hand" },
} as const satisfies Flags;

export const uninstallCommand = makeCommand({
  name: "uninstall",
  description: "Stop the agent, remove its service and the program",
  flags,
  examples: [{ what: "The tree of an image", line: "trace-agent uninstall --root /mnt/image" }],
  run: ({ root = "/", force }) => {
    const done = uninstall(new ImageRoot(root), force);
    for (const { path, outcome, ownership } of done) {
      if (outcome === "removed") log.info(`${path}: removed`);
      else if (ownership === "changed") log.warn(`${path}: left as it is: it was changed by hand; --force removes it`);
      else log.warn(`${path}: left as it is: trace-agent install did not make it`);
    }
    const removed = done.filter(({ outcome }) => outcome === "removed");
    if (removed.some(({ path }) => needsInitramfsAnew(path))) log.info(makeInitramfsAnew);
    if (removed.length === 0) log.info("nothing to remove");
  },
});
