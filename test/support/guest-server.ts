/**
 * Fake and hostile guests side by side in one process, which so costs what one costs: `bun guest-server.ts`. Each line of stdin is a
 * request (served-guest.ts), which a line of stdout answers: "done", or what went wrong.
 */
import { writeSync } from "node:fs";
import { FakeAgent } from "./fake-agent.ts";
import { HostileGuest } from "./hostile-guest.ts";
import type { GuestRequest } from "./served-guest.ts";

const guests = new Map<string, FakeAgent | HostileGuest>();

function carryOut(request: GuestRequest): void {
  const { directory } = request;
  const guest = guests.get(directory);
  switch (request.request) {
    case "agent": {
      const agent = new FakeAgent(directory, request.script);
      guests.set(directory, agent);
      return agent.serve();
    }
    case "hostile":
      return void guests.set(directory, new HostileGuest(directory, request.kind, request.cpus));
    case "end":
      guests.delete(directory);
      return guest?.end();
    case "sendWithoutEnd":
    case "reboot":
      if (guest instanceof FakeAgent) return guest[request.request]();
      throw new Error(`no fake agent serves ${directory}`);
    default:
      throw new Error(`no such request: ${JSON.stringify(request)}`);
  }
}

/** In one line. */
function answerTo(line: string): string {
  try {
    carryOut(JSON.parse(line) as GuestRequest);
    return "done";
  } catch (error) {
    return String(error).replaceAll("\n", " ");
  }
}

// The last one is empty.
for await (const line of console) if (line !== "") writeSync(1, `${answerTo(line)}\n`);
// The test has ended.
process.exit(0);
