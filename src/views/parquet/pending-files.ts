/**
 * Files that appear under their names once the disk has all their bytes: a sudden end of the machine leaves no name with an empty or
 * a short file. A few are waited for one by one; of many the whole file system is, once for their bytes and once for their names.
 */
import { closeFd, O } from "../../../ffi/fd.ts";
import { syncFileSystem } from "../../../ffi/file-space.ts";
import { type Directory, placeError } from "../../base/directory.ts";
import { errnoOf } from "../../base/errors.ts";
import type { OutputFile } from "../../base/output-file.ts";
import { parquetLimits } from "./limits.ts";

type Pending = { folder: Directory; output: OutputFile; appeared: () => void };
/** `fd`: opened before the first file was written, so that it tells of all that goes wrong. `hasNames`: the disk may not have them all. */
type Disk = { fd: number; path: string; hasNames: boolean };

export class PendingFiles {
  readonly #files = new Set<Pending>();
  /** By device: a user may have put tables on disks of their own. */
  readonly #disks = new Map<number, Disk>();
  readonly #sync: (fd: number) => void;

  /** `sync`: for tests. */
  constructor(sync = syncFileSystem) {
    this.#sync = sync;
  }

  /** Files that have not appeared. */
  get count(): number {
    return this.#files.size;
  }

  /** Before files in this folder are written. */
  expect(folder: Directory): void {
    const { dev } = folder.status;
    if (this.#disks.has(dev)) return;
    const fd = folder.open(".", O.RDONLY | O.DIRECTORY);
    this.#disks.set(dev, { fd, path: folder.path, hasNames: false });
  }

  /** `appeared` is called when it stands under its name; its folder is closed then. */
  add(folder: Directory, output: OutputFile, appeared: () => void): void {
    this.#files.add({ folder, output, appeared });
    output.flush();
  }

  /** All files appear. */
  appear(): void {
    for (const [device, files] of Map.groupBy(this.#files, ({ folder }) => folder.status.dev)) {
      const disk = files.length > parquetLimits.singlySynced ? this.#disks.get(device) : undefined;
      if (disk === undefined) for (const { output } of files) output.begin();
      else this.#syncAll(disk);
      for (const file of files) {
        if (disk === undefined) file.output.finish();
        else {
          disk.hasNames = true;
          file.output.finishSynced();
        }
        this.#files.delete(file);
        file.appeared();
        file.folder.close();
      }
    }
  }

  /** The same, and the disk has their names. */
  finish(): void {
    this.appear();
    for (const disk of this.#disks.values()) if (disk.hasNames) this.#syncAll(disk);
    this.#close();
  }

  /** What has not appeared never does. */
  abandon(): void {
    for (const { folder, output } of this.#files) {
      output.abandon();
      folder.close();
    }
    this.#files.clear();
    this.#close();
  }

  #close(): void {
    for (const { fd } of this.#disks.values()) closeFd(fd);
    this.#disks.clear();
  }

  #syncAll({ fd, path }: Disk): void {
    try {
      this.#sync(fd);
    } catch (cause) {
      throw errnoOf(cause) === undefined ? cause : placeError(path, "write", cause);
    }
  }
}
