/** A recording as a trace for Perfetto. It holds all events: what belongs together is found in the page. */
import { foreignText } from "../../base/foreign-text.ts";
import type { RecordedPart } from "../../trace-dat/parts.ts";
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import { checkNames, type GivenNames, type RecordedNames, recordedNames } from "../recorded-names.ts";
import type { Export, Exporter, ExportResult } from "../exporter.ts";
import { isMain } from "../vcpus/guest-parts.ts";
import { PerfettoExport } from "./perfetto-export.ts";
import { namesGuests, VcpuTracks } from "./vcpu-tracks.ts";

/** `names`: that the trace says it is of. */
export function perfettoExporter(names: GivenNames = {}): Exporter {
  return {
    binary: "a trace for Perfetto",
    ending: ".pftrace",
    begin: (parts, _selection, write) => {
      const machines = machinesOf(parts);
      checkNames(parts, names);
      const attributes = attributesOf(parts, names);
      const hosts = parts.filter((part) => namesGuests(part) && isMain(part, parts));
      if (machines.length <= 1 && hosts.length === 0)
        return new PerfettoExport(machines[0]?.sources ?? [noSource()], write, undefined, attributes);
      return new PartsExport([
        ...machines.map(({ name, sources }, number) => ({
          name,
          begin: () => {
            const machine = machines.length > 1 ? { number, name } : undefined;
            return new PerfettoExport(sources, write, machine, number === 0 ? attributes : undefined);
          },
        })),
        ...hosts.map((part) => ({ name: part.machine, begin: () => new VcpuTracks(part, write) })),
      ]);
    },
  };
}

/** Whose trace it is, for tools that ask many; of several machines or recordings a list. None where nothing is known of its parts. */
function attributesOf(parts: readonly RecordedPart[], given: GivenNames): Map<string, string> {
  const names = parts.filter(({ about }) => about !== undefined).map((part) => recordedNames(part, parts, given));
  const told = (key: keyof RecordedNames): [string, string] => {
    const values = new Set(names.map((name) => foreignText(`${name[key]}`)));
    return [`trace_agent.${key}`, [...values].join(",")];
  };
  return new Map(
    (["host", "guest", "session", "segment", "date"] as const).map(told).filter(([, value]) => value !== ""),
  );
}

type Machine = { name: string; sources: [TraceSource, ...TraceSource[]] };

function machinesOf(parts: readonly RecordedPart[]): Machine[] {
  const machines: Machine[] = [];
  for (const { machine: name, source } of parts) {
    const known = machines.find((machine) => machine.name === name);
    if (known === undefined) machines.push({ name, sources: [source] });
    else known.sources.push(source);
  }
  return machines;
}

function noSource(): never {
  throw new RangeError("an export of nothing");
}

/** One machine after the other, then the tracks of vCPUs: trace_processor sorts by time. */
class PartsExport implements Export {
  readonly #waiting: { name: string; begin: () => Export }[];
  #current: { name: string; export: Export } | undefined;
  readonly #results: ExportResult[] = [];

  constructor(parts: readonly { name: string; begin: () => Export }[]) {
    this.#waiting = [...parts];
  }

  step(isFull: () => boolean): boolean {
    if (this.#current === undefined) {
      const next = this.#waiting.shift();
      if (next === undefined) return false;
      this.#current = { name: next.name, export: next.begin() };
    }
    if (this.#current.export.step(isFull)) return true;
    if (this.#waiting.length === 0) return false;
    this.#end();
    return true;
  }

  finish(endedBy?: string): ExportResult {
    this.#end(endedBy);
    return {
      isWhole: this.#results.every(({ isWhole }) => isWhole),
      warnings: this.#results.flatMap(({ warnings }) => warnings),
      amount: this.#results.map(({ amount }) => amount).join("; "),
    };
  }

  #end(endedBy?: string): void {
    if (this.#current === undefined) return;
    const { name, export: exporting } = this.#current;
    const { isWhole, warnings, amount } = exporting.finish(endedBy);
    const of = (text: string): string => (name === "" ? text : `${name}: ${text}`);
    this.#results.push({ isWhole, warnings: warnings.map(of), amount: of(amount) });
    this.#current = undefined;
  }
}
