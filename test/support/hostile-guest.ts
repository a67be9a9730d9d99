/** A guest that means harm to its host: it serves the FIFOs of a directory, and answers as an agent does but where its kind says otherwise. */
import { commonFields } from "./common-fields.ts";
import { openPorts, type Port } from "./fake-ports.ts";
import { fakeHeaderPage, fakeHello, noCounters } from "./fake-replies.ts";
import { inQuickForm } from "./quick.ts";
import { bodyOf, subBuffer } from "./sub-buffers.ts";

export class HostileGuest {
  readonly cpus: number;
  readonly #ports: Map<string, Port>;
  readonly #answers: Record<string, Answer>;
  readonly #onStart: (guest: HostileGuest) => void;
  readonly #timers: NodeJS.Timeout[] = [];
  nonce = "";
  state: "armed" | "running" = "armed";
  #bytes: number[];

  constructor(directory: string, kind: HostileKind, cpus: number) {
    const { answers = {}, onStart = (): void => {} }: Kind = kinds[kind];
    this.cpus = cpus;
    this.#answers = answers;
    this.#onStart = onStart;
    this.#bytes = Array.from({ length: cpus }, () => 0);
    this.#ports = openPorts(directory, cpus, "fifo", (order) => this.#carryOut(order));
  }

  end(): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const port of this.#ports.values()) port.close();
  }

  /** Does it again and again, as long as the host takes what there is. */
  every(ms: number, step: () => void): void {
    const turn = (): void => {
      if ([...this.#ports.values()].every(({ pending }) => pending.length < 64)) step();
    };
    this.#timers.push(setInterval(turn, ms));
  }

  control(text: string): void {
    this.#ports.get("agent-ctl-path")?.write(Buffer.from(text, "latin1"));
  }

  controlBytes(bytes: Uint8Array): void {
    this.#ports.get("agent-ctl-path")?.write(bytes);
  }

  reply(reply: object): void {
    this.control(`${JSON.stringify(reply)}\n`);
  }

  /** `counted`: its replies tell of it. */
  data(cpu: number, bytes: Uint8Array, counted = true): void {
    if (counted) this.#bytes[cpu] = (this.#bytes[cpu] ?? 0) + bytes.length;
    this.#ports.get(`trace-path-cpu${cpu}`)?.write(bytes);
  }

  get positions(): { cpu: number; bytes: number; lostBytes: number }[] {
    return this.#bytes.map((bytes, cpu) => ({ cpu, bytes, lostBytes: 0 }));
  }

  #carryOut(order: string): void {
    const [word = "", first = "", ...rest] = order.split(" ");
    if (word === "hello") this.nonce = first;
    if (word === "1") this.state = "running";
    if (word === "0") this.state = "armed";
    const answer = this.#answers[word];
    if (answer !== undefined) return answer(this);
    const state = this.state;
    const open = { port: "open", state };
    switch (word) {
      case "hello":
        return this.reply({
          ...fakeHello,
          nonce: this.nonce,
          state,
          cpus: this.positions.map((position) => Object.assign(position, open)),
        });
      case "1":
        this.reply({ reply: "start", state, streams: this.positions });
        return this.#onStart(this);
      case "0":
        return this.reply({ reply: "stop", state, streams: this.positions });
      case "status":
        return this.reply({
          reply: "status",
          state,
          repliesDropped: 0,
          cpus: this.positions.map((position) => Object.assign(position, noCounters, open)),
        });
      case "metadata":
        return this.#tellMetadata();
      case "set":
        return this.reply({ reply: "set", key: first, value: rest.join(" "), previous: first === "events" ? "" : "1" });
      default:
        return undefined;
    }
  }

  #tellMetadata(): void {
    const files = { "events/header_page": fakeHeaderPage, "events/header_event": "x", trace_clock: "[local]\n" };
    this.body(Bun.gzipSync(JSON.stringify({ ...bodyOf(files), cpus: this.cpus })));
  }

  body(bytes: Uint8Array): void {
    this.reply({ reply: "metadata", bytes: bytes.length, encoding: "gzip" });
    this.controlBytes(bytes);
  }
}

type Answer = (guest: HostileGuest) => void;
type Kind = { answers?: Record<string, Answer>; onStart?: Answer };

const says =
  (text: string): Answer =>
  (guest) =>
    guest.control(text);
const silent: Answer = () => {};
const drips: Answer = (guest) => guest.every(1000, () => guest.control("\n"));
const someData: Answer = (guest) => {
  for (let index = 0; index < 20; index++) guest.data(0, subBuffer(50));
};
function atOnceAndEvery(guest: HostileGuest, ms: number, step: () => void): void {
  step();
  guest.every(ms, step);
}
/** Of a sub-buffer, where they come without end: as many bytes, which are read sooner. */
const floodEvents = inQuickForm(20, 200);
/** As much as a FIFO holds. */
const flood = Buffer.concat(Array.from({ length: 16 }, () => subBuffer(floodEvents)));
const floodsEvery =
  (ms: number): Answer =>
  (guest) =>
    atOnceAndEvery(guest, ms, () => guest.data(0, flood, false));
const absurdStop: Answer = (guest) =>
  guest.reply({ reply: "stop", state: "armed", streams: [{ cpu: 0, bytes: 2 ** 52, lostBytes: 0 }] });
const progresses: Answer = (guest) => guest.every(200, () => guest.reply({ reply: "progress", word: "thinking" }));

export type HostileKind = keyof typeof kinds;

const kinds = {
  /** Half a byte. */
  fraction: { answers: { metadata: says('{"reply":"metadata","bytes":0.5,"encoding":"gzip"}\nxxxxxxxx') } },
  /** Counts that are none. */
  counts: {
    answers: {
      status: says(
        '{"reply":"status","state":"running","repliesDropped":9007199254740991,"cpus":[{"cpu":0,"state":"running","port":"open","bytes":1e-300,"subBuffers":0,"entries":0,"overrun":0.5,"commitOverrun":0,"droppedEvents":0,"readEvents":0,"lostBytes":0,"backpressure":0,"restarts":0}]}\n',
      ),
    },
  },
  /** Answers the hello, then never anything but a byte a second. */
  drip: { answers: { status: drips, metadata: drips, set: drips, "0": silent, "1": silent } },
  /** Says for ever that it works on the metadata. */
  busy: { answers: { metadata: progresses } },
  /** The rest of its metadata's body comes a byte a second. */
  slowBody: {
    answers: {
      metadata: (guest) => {
        guest.reply({ reply: "metadata", bytes: 1_000_000, encoding: "gzip" });
        guest.every(1000, () => guest.control("x"));
      },
    },
  },
  /** Nested lists instead of an answer. */
  nested: { answers: { status: says(`${"[".repeat(1_900_000)}\n`), metadata: says(`${"[".repeat(1_900_000)}\n`) } },
  /** Metadata that nest, packed. */
  nestedMetadata: {
    answers: {
      metadata: (guest) =>
        guest.body(
          Bun.gzipSync(`{"version":1,"cpus":1,"files":${"[".repeat(inQuickForm(6_000_000, 60_000_000))}`, { level: 1 }),
        ),
    },
  },
  /** As many formats of events as it may tell. */
  manyFormats: {
    answers: {
      metadata: (guest) => {
        const field = "\tfield:unsigned long a;\toffset:8;\tsize:8;\tsigned:0;\n";
        const format = (id: number): [string, string] => [
          `events/x/y${id}/format`,
          `name: y${id}\nID: ${id}\nformat:\n${commonFields}\n${field}\nprint fmt: "%lu", REC->a\n`,
        ];
        const formats = Object.fromEntries(Array.from({ length: inQuickForm(10_000, 49_000) }, (_, id) => format(id)));
        guest.body(
          Bun.gzipSync(JSON.stringify({ ...bodyOf({ "events/header_page": fakeHeaderPage, ...formats }), cpus: 1 }), {
            level: 1,
          }),
        );
      },
    },
    onStart: (guest) => guest.data(0, subBuffer(50)),
  },
  /** A start that is never answered. */
  noStart: { answers: { "1": silent } },
  /** A stop that is never answered, and data without end: record waits until they are more than there can be. */
  noStop: { answers: { "0": silent }, onStart: floodsEvery(4) },
  /** The same where a command waits for the stop for a while. */
  noStopForAWhile: { answers: { "0": silent }, onStart: floodsEvery(inQuickForm(100, 10)) },
  /** A stop total that it never sends, and a byte a second. */
  stopTrickle: {
    answers: {
      "0": (guest) => {
        absurdStop(guest);
        drips(guest);
      },
    },
    onStart: someData,
  },
  /** A stop total that it never sends, and data without end. */
  stopFlood: {
    answers: {
      "0": (guest) => {
        absurdStop(guest);
        guest.every(inQuickForm(20, 4), () => guest.data(0, flood, false));
      },
    },
    onStart: someData,
  },
  /** The right total at the stop, and goes on. Like others it begins at once: a busy machine may keep it from its next turn until the stop. */
  neverStops: {
    onStart: (guest) => atOnceAndEvery(guest, inQuickForm(12, 3), () => guest.data(0, subBuffer(floodEvents), false)),
  },
  /** A byte now and then on a data port, from the beginning on. */
  trickle: {
    answers: {
      set: (guest) => {
        guest.every(50, () => guest.data(0, Buffer.from("x"), false));
        guest.reply({ reply: "set", key: "tracing_on", value: "1", previous: "1" });
      },
    },
    onStart: (guest) => guest.data(0, Buffer.from("x"), false),
  },
  /** Sub-buffers without end, each with a time far from the one before. */
  jumps: {
    onStart: (guest) => {
      let index = 0;
      const times = [1n, 2n ** 58n, 2n ** 62n, 2n ** 63n - 1n, 2n ** 64n - 1n, 0n, 10n ** 9n];
      atOnceAndEvery(guest, inQuickForm(20, 5), () => {
        const bytes = subBuffer(inQuickForm(30, 300));
        bytes.writeBigUInt64LE(times[index++ % times.length] ?? 0n, 0);
        for (let cpu = 0; cpu < guest.cpus; cpu++) guest.data(cpu, bytes);
      });
    },
  },
  /** Data without end while it runs. */
  flood: {
    onStart: (guest) =>
      atOnceAndEvery(guest, inQuickForm(4, 1), () => void (guest.state === "running" && guest.data(0, flood))),
  },
} satisfies Record<string, Kind>;
