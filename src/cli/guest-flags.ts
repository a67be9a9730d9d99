/** How every command of the host names a guest, or several. */
import { AgentError } from "../base/errors.ts";
import { allGuests, type GuestDirectory, guestDirectory, guestsDirectory } from "../host/guest-directory.ts";
import type { Flags, Positional } from "./command.ts";

export const guestPositional: Positional = {
  name: "GUEST",
  description: "Name of the VM, for /run/virtio-trace/GUEST; or that directory itself, with a slash in it",
};

/** Any number of them; with --all none need be named. */
export const guestsPositional: Positional = { ...guestPositional, required: false, rest: true };

export const allFlag = {
  all: { type: "boolean", description: "Every guest below /run/virtio-trace; those that do not answer are told of" },
} as const satisfies Flags;

/** `directory`: of the only one. Throws a usage error for none, and for two of one name. */
export function chooseGuests(names: readonly string[], all: boolean, directory: string | undefined): GuestDirectory[] {
  if (directory !== undefined && (all || names.length > 1))
    throw new AgentError("usage", "--dir is of one guest alone", { remedy: "name directories with a slash in them" });
  const guests = names.map((name) => guestDirectory(name, directory));
  for (const other of all ? allGuests() : []) if (!guests.some(({ path }) => path === other.path)) guests.push(other);
  const twice = guests.find(({ guest }, index) => guests.findIndex((one) => one.guest === guest) < index);
  if (twice !== undefined)
    throw new AgentError("usage", `two machines have the name "${twice.guest}"`, { remedy: "name each once" });
  if (guests.length > 0) return guests;
  if (!all) throw new AgentError("usage", "GUEST is missing", { remedy: "name one, or all with --all" });
  throw new AgentError("unavailable", `there is no guest below ${guestsDirectory}`, {
    remedy: "make its ports with: trace-agent setup GUEST --cpus N",
  });
}
