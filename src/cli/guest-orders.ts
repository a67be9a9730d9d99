/** `trace-agent start|stop|status GUEST...`: an order, and its answers; `stop|status DIR` of a recorder. */
import { AgentError } from "../base/errors.ts";
import { giveOrder, type GuestOrder } from "../host/run/order.ts";
import { writeAsIs } from "../base/standard-output.ts";
import { type Command, type Flags, makeCommand } from "./command.ts";
import { allFlag, chooseGuests, guestsPositional } from "./guest-flags.ts";
import { readWait, waitFlag } from "./live-flags.ts";
import { areRecorders, showAllRecorders, showRecorders, stopRecorders } from "./recorder-orders.ts";

const descriptions: Record<GuestOrder, string> = {
  start: "Order the agents of guests to start; read their data from the ports",
  stop: "Order the agents of guests to stop, after they have handed over all their data; or a recorder (DIR) to end",
  status: "Show the state and the counters of the agents of guests, or of a recorder (DIR)",
};

const recordersFlag = {
  recorders: {
    type: "boolean",
    description: "Every recorder of this user instead of guests; for root also those of other users",
  },
} as const satisfies Flags;

/** The type is the same for all orders: what is not given is false. */
function recordersOf(order: GuestOrder): typeof recordersFlag {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return order === "status" ? recordersFlag : ({} as typeof recordersFlag);
}

export const startCommand = orderCommand("start");
export const stopCommand = orderCommand("stop");
export const statusCommand = orderCommand("status");

function orderCommand(order: GuestOrder): Command {
  return makeCommand({
    name: order,
    description: descriptions[order],
    flags: {
      ...waitFlag,
      ...allFlag,
      ...recordersOf(order),
      json: { type: "boolean", description: "The answer as JSON; of several guests, or with --all, as a list" },
      dir: {
        type: "string",
        valueHint: "DIR",
        description: "The guest's directory, instead of /run/virtio-trace/GUEST",
      },
    },
    positionals: [
      order === "start"
        ? guestsPositional
        : { ...guestsPositional, description: `${guestsPositional.description}; or the DIR of a recorder` },
    ],
    examples: [
      { what: `The guest "vm1"`, line: `trace-agent ${order} vm1` },
      { what: "All guests of this machine", line: `trace-agent ${order} --all` },
      ...(order === "start"
        ? []
        : [{ what: "The recorder of record -o DIR", line: `trace-agent ${order} /var/lib/trace-agent/session` }]),
    ],
    run: async ({ all, json, dir, wait, recorders }, names) => {
      if (recorders) {
        if (names.length > 0 || all)
          throw new AgentError("usage", "--recorders is of all recorders", { remedy: "name no guest, and not --all" });
        return await showAllRecorders(json);
      }
      if (order !== "start" && !all && dir === undefined && areRecorders(names))
        return await (order === "status" ? showRecorders(names, json) : stopRecorders(names, json));
      const guests = chooseGuests(names, all, dir);
      const required = new Set(guests.slice(0, names.length).map(({ guest }) => guest));
      const options = { json, waitMs: readWait(wait), several: all || guests.length > 1, required };
      await giveOrder(guests, order, options, (text) => writeAsIs(Buffer.from(text)));
    },
  });
}
