/** `trace-agent start|stop|status GUEST`: one order, and its answer. */
import { guestDirectory } from "../host/guest-directory.ts";
import { giveOrder, type GuestOrder } from "../host/order.ts";
import { writeAsIs } from "../standard-output.ts";
import { type Command, makeCommand } from "./command.ts";
import { guestPositional } from "./guest-flags.ts";

const descriptions: Record<GuestOrder, string> = {
  start: "Order a guest's agent to start; its data are to be read from the ports",
  stop: "Order a guest's agent to stop, when all that it has is handed over",
  status: "Show the state and the counters of a guest's agent",
};

export const startCommand = orderCommand("start");
export const stopCommand = orderCommand("stop");
export const statusCommand = orderCommand("status");

function orderCommand(order: GuestOrder): Command {
  return makeCommand({
    name: order,
    description: descriptions[order],
    flags: {
      json: { type: "boolean", description: "The answer as JSON" },
      dir: { type: "string", valueHint: "DIR", description: "The guest's directory, instead of /run/virtio-trace/GUEST" },
    },
    positionals: [guestPositional],
    run: async ({ json, dir }, [guest = ""]) => {
      writeAsIs(Buffer.from(await giveOrder(guestDirectory(guest, dir), order, json)));
    },
  });
}
