/** `report --comm NAME`: events of the tasks of a name, and those about them, as trace-cmd picks them. */
import { AgentError } from "../../base/errors.ts";
import { foreignText } from "../../base/foreign-text.ts";
import { closest } from "../../base/suggest.ts";
import type { EventCatalog, EventType } from "../../events/event-catalog.ts";
import type { EventRecord } from "../../events/event-record.ts";
import type { Reader } from "../../events/print-format/number-node.ts";

/** Fields that hold the pid of the task that an event is about. */
const pidFields = ["pid", "next_pid"];

export class NamedTasks {
  readonly #catalog: EventCatalog;
  readonly #pids: ReadonlySet<number>;
  readonly #fields = new Map<EventType, readonly Reader[]>();

  /** Throws a usage error where the recording names no such task. */
  constructor(catalog: EventCatalog, names: readonly string[]) {
    this.#catalog = catalog;
    this.#pids = new Set(names.flatMap((name) => pidsOf(catalog, name)));
  }

  matches(record: EventRecord, kind: EventType | undefined): boolean {
    if (this.#pids.has(this.#catalog.pidOf(record))) return true;
    if (kind === undefined || record.size < kind.format.minBytes) return false;
    let fields = this.#fields.get(kind);
    if (fields === undefined) {
      fields = pidFields.flatMap((name) => kind.number(name)?.low ?? []);
      this.#fields.set(kind, fields);
    }
    for (const field of fields) if (this.#pids.has(field(record))) return true;
    return false;
  }
}

function pidsOf({ tasks }: EventCatalog, name: string): number[] {
  const pids = tasks.pidsOf(Buffer.from(name).toString("latin1"));
  if (pids.length > 0) return pids;
  const near = closest(name, tasks.known());
  throw new AgentError("usage", `cannot select tasks named "${name}": the recording's list of tasks has none`, {
    remedy:
      near === undefined
        ? `select by pid (--pid), or by events that name it (-F)`
        : `did you mean ${foreignText(near)}?`,
  });
}
