/** Recordings as Parquet tables below a directory. One recording after the other, each released after it: memory hardly grows with their number. */
import type { DirectoryExporter, Export, ExportResult } from "../exporter.ts";
import { labelOf } from "../part-label.ts";
import type { GivenNames } from "../recorded-names.ts";
import type { TablesDirectory } from "./folders.ts";
import { planTables } from "./plans.ts";
import { type RecordingPlan, RecordingTables } from "./recording-tables.ts";
import { SessionFiles } from "./session-files.ts";
import { Scratch } from "./values.ts";

export const parquetExporter: DirectoryExporter<GivenNames, TablesDirectory> = {
  begin: (parts, directory, { group, ...names }) => {
    const scratch = new Scratch();
    return new RecordingsExport(
      planTables(parts, names),
      (plan) => new SessionFiles(directory, plan.place, { group, scratch }),
    );
  },
};

class RecordingsExport implements Export {
  readonly #waiting: RecordingPlan[];
  readonly #filesOf: (plan: RecordingPlan) => SessionFiles;
  #current: { plan: RecordingPlan; files: SessionFiles; tables: RecordingTables } | undefined;
  readonly #results: ExportResult[] = [];

  constructor(plans: RecordingPlan[], filesOf: (plan: RecordingPlan) => SessionFiles) {
    this.#waiting = plans;
    this.#filesOf = filesOf;
  }

  step(isFull: () => boolean): boolean {
    this.#current ??= this.#begin();
    if (this.#current === undefined) return false;
    if (this.#work(({ tables }) => tables.step(isFull))) return true;
    this.#end();
    return this.#waiting.length > 0;
  }

  finish(): ExportResult {
    return {
      isWhole: this.#results.every(({ isWhole }) => isWhole),
      warnings: this.#results.flatMap(({ warnings }) => warnings),
      amount: this.#results.map(({ amount }) => amount).join("; "),
    };
  }

  #begin(): { plan: RecordingPlan; files: SessionFiles; tables: RecordingTables } | undefined {
    const plan = this.#waiting.shift();
    if (plan === undefined) return undefined;
    const files = this.#filesOf(plan);
    return { plan, files, tables: new RecordingTables(plan, files) };
  }

  #end(): void {
    const { isWhole, warnings, amount } = this.#work(({ tables }) => tables.finish());
    const part = this.#current?.plan.part;
    const label = part === undefined ? "" : labelOf(part);
    const of = (text: string): string => (label === "" ? text : `${label}: ${text}`);
    this.#results.push({ isWhole, warnings: warnings.map(of), amount: of(amount) });
    this.#current = undefined;
    part?.source.release?.();
    // Its columns, which are large, would else be collected long after the next one's were made.
    if (this.#waiting.length > 0) Bun.gc(true);
  }

  /** What fails leaves nothing of the recording that it was at. */
  #work<T>(work: (current: { files: SessionFiles; tables: RecordingTables }) => T): T {
    const current = this.#current;
    if (current === undefined) throw new RangeError("an export of nothing");
    try {
      return work(current);
    } catch (error) {
      current.files.abandon();
      throw error;
    }
  }
}
