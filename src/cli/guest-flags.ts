/** What every command of the host has in common: how a guest is named. */
import type { Positional } from "./command.ts";

export const guestPositional: Positional = {
  name: "GUEST",
  description: "Name of the VM, for /run/virtio-trace/GUEST; or that directory itself, with a slash in it",
};
