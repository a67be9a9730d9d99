/**
 * The columns of all tables below a directory, with their kinds: _columns.json, which readers of Parquet pass over. Kernels differ
 * in the kinds of fields, and one table has one kind under a name: a field of another kind gets a column of its own, NAME__KIND.
 * Columns are only ever added.
 */
import * as v from "valibot";
import { parseBoundedJson } from "../../base/bounded-json.ts";
import type { Directory } from "../../base/directory.ts";
import { AgentError, messageOf } from "../../base/errors.ts";
import { OutputFile } from "../../base/output-file.ts";
import { OutputPlace } from "../../base/output-place.ts";
import { parquetLimits } from "./limits.ts";
import type { ColumnHead } from "./parquet-file.ts";

export const columnListName = "_columns.json";
const version = 1;
const kinds = ["int", "uint", "text", "flag", "int32"] as const;
/** Pairs, since a name may be any word, also "__proto__". */
const list = v.object({
  version: v.pipe(v.number(), v.safeInteger()),
  tables: v.array(v.tuple([v.string(), v.array(v.tuple([v.string(), v.picklist(kinds)]))])),
});
const bounds = { depthMax: 8, valuesMax: 2_000_000 };

/** The keys of partitions, which readers show as columns. */
const partitionKeys: ReadonlySet<string> = new Set(["date", "host", "guest"]);

type Kinds = Map<string, ColumnHead["kind"]>;

export class ColumnList {
  readonly #tables: Map<string, Kinds>;
  #isChanged = false;

  private constructor(tables: Map<string, Kinds>) {
    this.#tables = tables;
  }

  static read(directory: Directory): ColumnList {
    const where = `${directory.path}/${columnListName}`;
    if (directory.statusOf(columnListName) === undefined) return new ColumnList(new Map());
    try {
      const text = directory.read(columnListName, parquetLimits.columnListBytes).toString("utf8");
      const { tables, version: found } = v.parse(list, parseBoundedJson(text, bounds));
      if (found > version) throw new Error(`it has version ${found}, ${version} is known`);
      return new ColumnList(new Map(tables.map(([table, columns]) => [table, new Map(columns)])));
    } catch (cause) {
      throw new AgentError("input", `cannot read "${where}", the list of columns: ${messageOf(cause)}`, {
        remedy: "name another directory",
        cause,
      });
    }
  }

  /** The columns with the names that they have in this table from now on. */
  named(table: string, columns: readonly ColumnHead[]): ColumnHead[] {
    const known: Kinds = this.#tables.get(table) ?? new Map<string, ColumnHead["kind"]>();
    this.#tables.set(table, known);
    // Readers do not tell names apart by the case of their letters.
    const used = new Set<string>();
    return columns.map(({ name, kind }) => {
      const other = `${name}__${kind}`;
      const isOther = partitionKeys.has(name.toLowerCase()) || (known.get(name) ?? kind) !== kind;
      let free = isOther ? other : name;
      for (let more = 2; used.has(free.toLowerCase()) || (known.get(free) ?? kind) !== kind; more++)
        free = `${other}${more}`;
      used.add(free.toLowerCase());
      if (!known.has(free)) {
        known.set(free, kind);
        this.#isChanged = true;
      }
      return { name: free, kind };
    });
  }

  save(directory: Directory, group: number | undefined): void {
    if (!this.#isChanged) return;
    const tables = [...this.#tables].map(([table, columns]) => [table, [...columns]]);
    const file = new OutputFile(OutputPlace.in(directory, columnListName, { group }));
    try {
      file.write(Buffer.from(`${JSON.stringify({ version, tables })}\n`));
      file.finish();
    } finally {
      file.abandon();
    }
    this.#isChanged = false;
  }
}
