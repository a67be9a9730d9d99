/**
 * The files of one recording's tables. A table's file is begun with its first row group and ended with all others, under the
 * names that columns have in this directory; so a reader sees all of a session or, for a moment, a part of it. A file that had to be
 * ended earlier is ended again then, by another in its place, which tells what is known only at the end.
 */
import { closeFd, O } from "../../../ffi/fd.ts";
import type { Directory } from "../../base/directory.ts";
import { placeError } from "../../base/directory.ts";
import { errnoOf } from "../../base/errors.ts";
import { OutputFile } from "../../base/output-file.ts";
import { OutputPlace } from "../../base/output-place.ts";
import type { Column } from "./column.ts";
import { ColumnList } from "./column-list.ts";
import { makeFolders, removeOthers, type TablesDirectory, whileLocked } from "./folders.ts";
import { parquetLimits } from "./limits.ts";
import { Memory } from "./memory.ts";
import { type ColumnHead, ParquetFile } from "./parquet-file.ts";
import { partitionName, sessionFileStem } from "./path-names.ts";
import { PendingFiles } from "./pending-files.ts";
import { Table, type TableName } from "./table.ts";
import type { Scratch } from "./values.ts";

export type SessionPlace = {
  date: string;
  host: string;
  guest: string;
  session: string;
  /** Of the machine's recordings in the session, from 1 on. */
  segment: number;
  /** "" is the top-level one. */
  buffer: string;
};

/** The only table that a host's recording has of its guests. */
export const guestTable = "vcpu_slice";

type Open = { folder: Directory; output: OutputFile; file: ParquetFile; isNew: boolean };
type Entry = { table: Table; open: Open | undefined; parts: number; isWritten: boolean };
/** `isNew`: nothing was replaced. */
type Written = { folder: readonly string[]; name: string; isNew: boolean };
/** Ended before the others, without what is told of the recording. */
type Early = { table: TableName; heads: readonly ColumnHead[]; file: ParquetFile; folder: string[]; name: string };
/** The disk's part, and how many files may be open: for tests. */
type ForTests = { openMax?: number; sync?: (fd: number) => void };

export class SessionFiles {
  readonly #top: TablesDirectory;
  readonly #place: SessionPlace;
  readonly #group: number | undefined;
  readonly #held = { bytes: 0 };
  /** Of columns that were written since. */
  #sinceCollected = 0;
  readonly #scratch: Scratch;
  readonly #openMax: number;
  readonly #entries = new Map<Table, Entry>();
  /** In the order of their last row groups. */
  readonly #opened = new Set<Entry>();
  readonly #early: Early[] = [];
  /** Files that are ended, and have no names yet. */
  readonly #pending: PendingFiles;
  /** By path. */
  readonly #written = new Map<string, Written>();

  /** The caller closes the directory after finish() or abandon(). */
  constructor(
    top: TablesDirectory,
    place: SessionPlace,
    {
      group,
      scratch,
      openMax = parquetLimits.openFiles,
      sync,
    }: { group: number | undefined; scratch: Scratch } & ForTests,
  ) {
    this.#openMax = openMax;
    this.#pending = new PendingFiles(sync);
    this.#scratch = scratch;
    this.#top = top;
    this.#place = place;
    this.#group = group;
  }

  /** `isWritten`: also without any row. */
  open(name: TableName, columns: readonly Column[], isWritten: boolean): Table {
    const table = new Table(name, columns, new Memory(this.#held));
    this.#entries.set(table, { table, open: undefined, parts: 0, isWritten });
    return table;
  }

  /** After each row. */
  added(table: Table): void {
    const { groupRows, tableBytes, tablesBytes } = parquetLimits;
    if (table.rows >= groupRows || table.memory.bytes > tableBytes) this.#writeGroup(table);
    else if (this.#held.bytes > tablesBytes) this.#writeLargest();
  }

  /** Ends all files; what an earlier export of the recording left is removed. `keyValues`: of every file. */
  finish(keyValuesOf: (name: TableName) => ReadonlyMap<string, string>): void {
    whileLocked(this.#top, () => {
      const columns = ColumnList.read(this.#top);
      // First those whose file is open: then there is always room for one more, and none must be ended to make it.
      const ended = [...this.#entries.values()]
        .filter(({ table, open, isWritten }) => table.rows > 0 || open !== undefined || isWritten)
        .sort((a, b) => Number(b.open !== undefined) - Number(a.open !== undefined));
      const heads = ended.map(({ table }) => columns.named(table.name.table, table.heads));
      columns.save(this.#top, this.#group);
      for (const [index, entry] of ended.entries()) {
        const open = this.#openFile(entry);
        entry.table.writeTo(open.file, this.#scratch);
        this.#end(entry, heads[index] ?? [], keyValuesOf(entry.table.name));
      }
      for (const early of this.#early) this.#endAgain(early, keyValuesOf(early.table));
      this.#pending.finish();
      this.#removeOld();
    });
  }

  /** Leaves nothing of what is not complete: a part of a recording's tables would be taken for all of it. */
  abandon(): void {
    for (const { open } of this.#opened) {
      open?.output.abandon();
      open?.folder.close();
    }
    this.#opened.clear();
    this.#pending.abandon();
    for (const { folder, name, isNew } of this.#written.values()) {
      if (!isNew) continue;
      const directory = makeFolders(this.#top, folder, this.#group);
      directory.remove(name);
      directory.close();
    }
    this.#written.clear();
  }

  #writeGroup(table: Table): void {
    const entry = this.#entries.get(table);
    if (entry === undefined) return;
    const { file } = this.#openFile(entry);
    this.#opened.delete(entry);
    this.#opened.add(entry);
    this.#sinceCollected += table.memory.bytes;
    table.writeTo(file, this.#scratch);
    if (this.#sinceCollected < parquetLimits.collectedBytes) return;
    if (process.memoryUsage.rss() < parquetLimits.residentBytes) return;
    this.#sinceCollected = 0;
    Bun.gc(true);
  }

  #writeLargest(): void {
    let largest: Table | undefined;
    for (const table of this.#entries.keys())
      if (largest === undefined || table.memory.bytes > largest.memory.bytes) largest = table;
    if (largest === undefined) return;
    if (largest.rows > 0) this.#writeGroup(largest);
    largest.shrink();
  }

  #openFile(entry: Entry): Open {
    if (entry.open !== undefined) return entry.open;
    this.#makeRoom();
    const path = this.#folderOf(entry.table.name);
    const where = `${this.#top.path}/${path.join("/")}`;
    let folder: Directory | undefined;
    let output: OutputFile | undefined;
    try {
      folder = makeFolders(this.#top, path, this.#group);
      this.#pending.expect(folder);
      const name = this.#fileName(entry);
      const isNew = folder.statusOf(name) === undefined;
      output = new OutputFile(OutputPlace.in(folder, name, { group: this.#group }));
      entry.open = { folder, output, file: new ParquetFile(output), isNew };
    } catch (cause) {
      output?.abandon();
      folder?.close();
      throw errnoOf(cause) === undefined ? cause : placeError(where, "write", cause);
    }
    this.#opened.add(entry);
    return entry.open;
  }

  /** For one more file. Those that are ended only wait for the disk. */
  #makeRoom(): void {
    if (this.#opened.size + this.#pending.count < this.#openMax) return;
    if (this.#pending.count > 0) this.#pending.appear();
    else this.#endOldest();
  }

  /** Where more tables than there may be files grow at the same time: the rest of it becomes another file. */
  #endOldest(): void {
    const [oldest] = this.#opened;
    if (oldest?.open === undefined) return;
    const { file } = oldest.open;
    const { name: table, heads: columnsOf } = oldest.table;
    whileLocked(this.#top, () => {
      const columns = ColumnList.read(this.#top);
      const heads = columns.named(table.table, columnsOf);
      columns.save(this.#top, this.#group);
      this.#early.push({ table, heads, file, folder: this.#folderOf(table), name: this.#fileName(oldest) });
      this.#end(oldest, heads, new Map());
      this.#pending.appear();
    });
    oldest.parts++;
  }

  #end(entry: Entry, heads: readonly ColumnHead[], keyValues: ReadonlyMap<string, string>): void {
    const { open } = entry;
    if (open === undefined) return;
    open.file.finish(heads, keyValues);
    this.#willAppear(open, {
      folder: this.#folderOf(entry.table.name),
      name: this.#fileName(entry),
      isNew: open.isNew,
    });
    entry.open = undefined;
    entry.table.shrink();
    this.#opened.delete(entry);
  }

  #willAppear({ folder, output }: { folder: Directory; output: OutputFile }, written: Written): void {
    this.#pending.add(folder, output, () => {
      const path = [...written.folder, written.name].join("/");
      // One that is ended again was new the first time.
      if (!this.#written.has(path)) this.#written.set(path, written);
    });
  }

  /** A copy with another end takes its place: a reader never sees a file without an end. */
  #endAgain({ heads, file, folder: path, name }: Early, keyValues: ReadonlyMap<string, string>): void {
    this.#makeRoom();
    const folder = makeFolders(this.#top, path, this.#group);
    let output: OutputFile | undefined;
    let from: number | undefined;
    try {
      from = folder.open(name, O.RDONLY);
      output = new OutputFile(OutputPlace.in(folder, name, { group: this.#group }));
      output.copyFrom(from, 0, file.groupBytes);
      file.continueIn(output);
      file.finish(heads, keyValues);
    } catch (cause) {
      output?.abandon();
      folder.close();
      throw errnoOf(cause) === undefined ? cause : placeError(`${folder.path}/${name}`, "write", cause);
    } finally {
      if (from !== undefined) closeFd(from);
    }
    this.#willAppear({ folder, output }, { folder: path, name, isNew: false });
  }

  #folderOf({ table, guest }: TableName): string[] {
    const { date, host } = this.#place;
    return [table, partitionName("date", date), partitionName("host", host), partitionName("guest", guest)];
  }

  #fileName({ parts }: Entry): string {
    return `${sessionFileStem(this.#place)}${parts === 0 ? "" : `.${parts + 1}`}.parquet`;
  }

  #removeOld(): void {
    const stem = sessionFileStem(this.#place);
    const isOld = (name: string): boolean =>
      name.startsWith(stem) && /^(?:\.\d+)?\.parquet$/.test(name.slice(stem.length));
    const guests = new Set([...this.#entries.keys()].map(({ name }) => name.guest));
    for (const guest of guests) {
      const below = [partitionName("host", this.#place.host), partitionName("guest", guest)];
      // A host's recording has a table of its guests' vCPUs in their folders, where all else is of their own recordings.
      const isTable = (table: string): boolean => (guest === this.#place.guest) !== (table === guestTable);
      removeOthers(this.#top, below, { isTable, isOld, kept: this.#written });
    }
  }
}
