/** The guest's side of ports for fake guests, as QEMU has it: FIFOs that are open both ways, or sockets that it listens on. */
import { closeSync, constants, linkSync, openSync, renameSync } from "node:fs";
import { writeFrom } from "../../ffi/fd.ts";
import { controlPortName, dataPortName } from "../../src/protocol/ports.ts";

/** `pending`: what the host has not taken yet. `close` leaves it as a process that is killed does. */
export type Port = { write: (bytes: Uint8Array) => void; pending: Uint8Array[]; close: () => void };

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
  const reader = Bun.file(orders).stream().getReader();
  void (async () => {
    for (let read = await reader.read(); !read.done; read = await reader.read()) hear(read.value);
  })();
  // Where it is full, Bun's own would make an error of it each time.
  return queued(
    (bytes) => Math.max(0, writeFrom(out, bytes as Uint8Array<ArrayBuffer>)),
    () => {
      void reader.cancel();
      for (const fd of [out, orders]) closeSync(fd);
    },
  );
}

function socketPort(directory: string, name: string, hear: (bytes: Uint8Array) => void): Port {
  const path = `${directory}/${name}.sock`;
  let client: { write: (bytes: Uint8Array) => number } | undefined;
  const server = Bun.listen({
    unix: path,
    socket: {
      open: (socket) => void (client = socket),
      data: (_, bytes) => hear(bytes),
      close: () => void (client = undefined),
    },
  });
  const give = (bytes: Uint8Array): number => Math.max(0, client?.write(bytes) ?? 0);
  return queued(give, () => {
    // The server removes its name, which one that is killed leaves.
    linkSync(path, `${path}.left`);
    server.stop(true);
    renameSync(`${path}.left`, path);
  });
}

function queued(give: (bytes: Uint8Array) => number, release: () => void): Port {
  const pending: Uint8Array[] = [];
  let timer: NodeJS.Timeout | undefined;
  let isOpen = true;
  const flush = (): void => {
    for (let first = pending[0]; first !== undefined; first = pending[0]) {
      const count = give(first);
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
      if (!isOpen) return;
      pending.push(bytes);
      flush();
    },
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      clearTimeout(timer);
      release();
    },
  };
}
