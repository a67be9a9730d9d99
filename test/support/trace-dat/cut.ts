/** Cuts a recording down to a fixture: few events, and of the tables only what these need. */
import { type Format, formatsOf, swapped } from "./fields.ts";
import { Order, type TraceDat } from "./model.ts";
import { type Piece, pieceWord, shortened, type SubBuffer, subBuffersOf } from "./sub-buffers.ts";

export type Cut = {
  /** Sub-buffers of each CPU: from the first to before the second. */
  subBuffers?: [number, number];
  /** At most so many events of a kind, in each buffer; the others become padding, as what the kernel discards. */
  each?: number | undefined;
  /** At most so many events of a CPU; what lies behind is cut off. */
  events?: number | undefined;
  /** Events without a format become padding too. */
  dropUnknown?: boolean | undefined;
  /** Only sub-buffers that begin between these times. */
  within?: readonly [bigint, bigint];
  /** Events that it refuses become padding; others it may change. */
  wanted?: (data: Buffer) => boolean;
};

const padding = 29;

export function cutRecording(dat: TraceDat, cut: Cut): TraceDat {
  const { subBuffers = [0, 1], each, events, dropUnknown, within, wanted = () => true } = cut;
  const isWithin = ({ bytes, order }: SubBuffer): boolean => {
    const begin = order.read(bytes, 0, 8);
    return within === undefined || (begin >= within[0] && begin <= within[1]);
  };
  const formats = formatsOf(dat);
  const buffers = dat.buffers.map((buffer) => {
    const seen = new Map<number, number>();
    const keeps = (id: number): boolean => {
      if (dropUnknown === true && !formats.has(id)) return false;
      seen.set(id, (seen.get(id) ?? 0) + 1);
      return each === undefined || seen.get(id)! <= each;
    };
    const cpus = buffer.cpus.map(({ cpu, data }) => {
      let left = events ?? Number.POSITIVE_INFINITY;
      const parts = subBuffersOf(dat, data)
        .slice(...subBuffers)
        .filter(isWithin)
        .map((sub) => {
          const part = cutSubBuffer(sub, (id, event) => wanted(event) && keeps(id), left);
          left -= part.events;
          return part;
        });
      return { cpu, data: Buffer.concat(parts.filter((part) => part.events > 0).map(({ bytes }) => bytes)) };
    });
    return { ...buffer, cpus };
  });
  return withTablesOf({ ...dat, buffers }, formats);
}

function cutSubBuffer(
  sub: SubBuffer,
  keeps: (id: number, data: Buffer) => boolean,
  most: number,
): { bytes: Buffer; events: number } {
  const bytes = Buffer.from(sub.bytes);
  let events = 0;
  let pieces = 0;
  for (const [index, piece] of sub.pieces.entries()) {
    if (events >= most) break;
    if (piece.kind !== "event") continue;
    // 3.1.6 does not tell of a loss before an event that is discarded.
    const isAfterLoss = sub.lost !== 0n && events === 0;
    const data = bytes.subarray(piece.dataAt, piece.dataAt + piece.dataBytes);
    if (keeps(sub.order.number(data, 0, 2), data) || isAfterLoss) {
      events++;
      pieces = index + 1;
    } else discard(bytes, piece, sub.order);
  }
  return { bytes: shortened({ ...sub, bytes }, pieces), events };
}

/** A delta of 0 would mean that the sub-buffer ends here. */
function discard(bytes: Buffer, { at, end, delta }: Piece, order: Order): void {
  bytes.fill(0, at, end);
  bytes.set(pieceWord(order, padding, delta === 0n ? 1n : delta), at);
  bytes.set(order.bytes(end - at - 4, 4), at + 4);
}

function eventData(dat: TraceDat): Buffer[] {
  return dat.buffers.flatMap(({ cpus }) =>
    cpus.flatMap(({ data }) =>
      subBuffersOf(dat, data).flatMap(({ bytes, pieces }) =>
        pieces
          .filter(({ kind }) => kind === "event")
          .map(({ dataAt, dataBytes }) => bytes.subarray(dataAt, dataAt + dataBytes)),
      ),
    ),
  );
}

/** Formats, task names, symbols and printk formats that the events need. */
function withTablesOf(dat: TraceDat, formats: Map<number, Format>): TraceDat {
  const order = new Order(dat.bigEndian);
  const all = eventData(dat);
  const used = new Set([...new Set(all.map((data) => order.number(data, 0, 2)))].map((id) => formats.get(id)?.text));
  const pids = new Set(all.map((data) => order.number(data, 4, 4)));
  // Every aligned number of an event may be an address.
  const numbers = all.flatMap((data) =>
    Array.from({ length: Math.max(0, Math.floor((data.length - dat.longBytes) / 4) + 1) }, (_, index) =>
      order.read(data, index * 4, dat.longBytes),
    ),
  );
  const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");
  const joined = (list: string[]): string => list.map((line) => `${line}\n`).join("");
  return {
    ...dat,
    ftrace: dat.ftrace.filter((text) => used.has(text)),
    systems: dat.systems
      .map(({ name, formats: texts }) => ({ name, formats: texts.filter((text) => used.has(text)) }))
      .filter(({ formats: texts }) => texts.length > 0),
    commands: joined(lines(dat.commands).filter((line) => pids.has(Number.parseInt(line, 10)))),
    printk: joined(lines(dat.printk).filter((line) => numbers.includes(BigInt(/^0x[0-9a-f]+/.exec(line)?.[0] ?? 0)))),
    kallsyms: joined(symbolsOf(lines(dat.kallsyms), numbers)),
  };
}

/** The symbols that hold one of the numbers, and after each the next one, where it ends. */
function symbolsOf(lines: readonly string[], numbers: readonly bigint[]): string[] {
  const symbols = lines
    .map((line) => ({ line, address: BigInt(`0x${/^[0-9a-f]+/.exec(line)?.[0] ?? "0"}`) }))
    .filter(({ address }) => address > 0xffffn)
    .sort((a, b) => (a.address < b.address ? -1 : 1));
  const kept = new Set<string>();
  for (const number of new Set(numbers)) {
    let [low, high] = [0, symbols.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (symbols[middle]!.address <= number) low = middle + 1;
      else high = middle;
    }
    if (low === 0 || low === symbols.length) continue;
    kept.add(symbols[low - 1]!.line).add(symbols[low]!.line);
  }
  return symbols.map(({ line }) => line).filter((line) => kept.has(line));
}

/** The same recording as a machine of the other byte order would have made it. Every event needs a format. */
export function otherByteOrder(dat: TraceDat): TraceDat {
  const formats = formatsOf(dat);
  const bigEndian = !dat.bigEndian;
  const target = new Order(bigEndian);
  const buffers = dat.buffers.map((buffer) => ({
    ...buffer,
    cpus: buffer.cpus.map(({ cpu, data }) => ({
      cpu,
      data: Buffer.concat(subBuffersOf(dat, data).map((sub) => swappedSubBuffer(sub, formats, target))),
    })),
  }));
  return {
    ...dat,
    bigEndian,
    buffers,
    options: dat.options.map((option) => ({ ...option, data: numberSwapped(option) })),
  };
}

function swappedSubBuffer(sub: SubBuffer, formats: Map<number, Format>, target: Order): Buffer {
  const { bytes, order, commitBytes, headerBytes } = sub;
  const out = Buffer.alloc(bytes.length);
  const move = (at: number, size: number): void => out.set(target.bytes(order.read(bytes, at, size), size), at);
  move(0, 8);
  move(8, commitBytes);
  if (sub.lost > 0n) move(headerBytes + sub.dataBytes, commitBytes);
  for (const piece of sub.pieces) {
    out.set(pieceWord(target, piece.typeLength, piece.delta), piece.at);
    if (piece.kind !== "event") {
      if (piece.end > piece.at + 4) move(piece.at + 4, 4);
      continue;
    }
    if (piece.dataAt === piece.at + 8) move(piece.at + 4, 4);
    const data = bytes.subarray(piece.dataAt, piece.dataAt + piece.dataBytes);
    out.set(swapped(formats.get(order.number(data, 0, 2)), data, order), piece.dataAt);
  }
  return out;
}

/** TRACEID and CPUCOUNT are numbers; the other options that our recordings have are text. */
function numberSwapped({ id, data }: { id: number; data: Buffer }): Buffer {
  return id === 8 || id === 11 ? Buffer.from(data).reverse() : data;
}
