/** What to look for where no agent answers, or one that is not understood. */
import { AgentError } from "../../base/errors.ts";
import { type GuestDirectory, guestTitle } from "../guest-directory.ts";

export function noAgentError(guest: GuestDirectory): AgentError {
  if (guest.local === true)
    return new AgentError("unavailable", `${guestTitle(guest)} does not answer`, { remedy: localRemedy });
  return new AgentError("unavailable", `${guestTitle(guest)} does not answer`, {
    remedy:
      `in the guest: does trace-agent run, and does "grep . /sys/class/virtio-ports/*/name" list agent-ctl-path? ` +
      `On the host: does the VM run with the devices of trace-agent setup, on ${guest.path}? ` +
      `(The kernel's own agent answers nothing; trace-agent record works with it.)`,
  });
}

/** Of the agent of this machine, which the recorder started. */
export const localRemedy = "its agent hangs, or was stopped: see the messages above";

/** `why`: what is wrong with its reply. */
export function invalidHelloError(guest: GuestDirectory, why: string): AgentError {
  return new AgentError("unavailable", `${guestTitle(guest)} answered order "hello" with an invalid reply: ${why}`, {
    remedy: "run the same version of trace-agent in the guest and on the host",
  });
}
