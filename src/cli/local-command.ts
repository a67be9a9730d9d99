/** `trace-agent local-command ORDERS`: what `record --local -- COMMAND` starts, and what becomes the command; not for people. */
import { localCommandName, readOrders } from "../host/command/orders.ts";
import { startCommand } from "../host/command/start-command.ts";
import { makeCommand } from "./command.ts";

export const localCommand = makeCommand({
  name: localCommandName,
  description: "Becomes the command of record --local -- COMMAND, which starts it itself",
  flags: {},
  positionals: [{ name: "ORDERS", description: "As JSON" }],
  run: (_, [orders = ""]) => startCommand(readOrders(orders)),
});
