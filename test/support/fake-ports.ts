/** The guest's side of ports for fake guests, as QEMU has it: FIFOs that are open both ways, or sockets that it listens on. */
import { constants, openSync, writeSync } from "node:fs";
import { controlPortName, dataPortName } from "../../src/protocol/ports.ts";

/** `pending`: what the host has not taken yet. */
export type Port = { write: (bytes: Uint8Array) => void; pending: Uint8Array[] };

/** How often what the host has not taken is offered again. A guest with nothing to say sleeps: dozens of them wait in the tests. */
export const pollMs = 5;

/** The ports of a guest by name. `carryOut` gets the orders of its host, one by one, in the forms that the kernel's agent takes too. */
export function openPorts(
  directory: string,
  cpus: number,
  transport: "fifo" | "socket",
  carryOut: (order: string) => void,
): Map<string, Port> {
  const open = transport === "fifo" ? fifoPort : socketPort;
  const dataPorts = Array.from({ length: cpus }, (_, cpu) => dataPortName(cpu));
  return new Map([
    [controlPortName, open(directory, controlPortName, ordersTo(carryOut))],
    ...dataPorts.map((name): [string, Port] => [name, open(directory, name, () => {})]),
  ]);
}

function ordersTo(carryOut: (order: string) => void): (bytes: Uint8Array) => void {
  let line = "";
  return (bytes) => {
    for (const char of Buffer.from(bytes).toString("latin1")) {
      if (line === "" && (char === "1" || char === "0")) carryOut(char);
      else if (char !== "\n") line += char;
      else if (line !== "") {
        const order = line;
        line = "";
        carryOut(order);
      }
    }
  };
}

/** Opened both ways, as QEMU does. */
function fifoPort(directory: string, name: string, hear: (bytes: Uint8Array) => void): Port {
  const out = openSync(`${directory}/${name}.out`, constants.O_RDWR | constants.O_NONBLOCK);
  const orders = openSync(`${directory}/${name}.in`, constants.O_RDWR | constants.O_NONBLOCK);
  void (async () => {
    for await (const bytes of Bun.file(orders).stream()) hear(bytes);
  })();
  return queued((bytes) => {
    try {
      return writeSync(out, bytes);
    } catch {
      return 0;
    }
  });
}

function socketPort(directory: string, name: string, hear: (bytes: Uint8Array) => void): Port {
  let client: { write: (bytes: Uint8Array) => number } | undefined;
  Bun.listen({
    unix: `${directory}/${name}.sock`,
    socket: {
      open: (socket) => void (client = socket),
      data: (_, bytes) => hear(bytes),
      close: () => void (client = undefined),
    },
  });
  return queued((bytes) => Math.max(0, client?.write(bytes) ?? 0));
}

function queued(write: (bytes: Uint8Array) => number): Port {
  const pending: Uint8Array[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    for (let first = pending[0]; first !== undefined; first = pending[0]) {
      const count = write(first);
      if (count < first.length) {
        pending[0] = first.subarray(count);
        timer ??= setTimeout(() => {
          timer = undefined;
          flush();
        }, pollMs);
        return;
      }
      pending.shift();
    }
  };
  return {
    pending,
    write: (bytes) => {
      pending.push(bytes);
      flush();
    },
  };
}
