/** A guest's symbols on their way into the spool: the beginning of its metadata, written as they come. */
import type { OutputFile } from "../../base/output-file.ts";
import type { Spool } from "../../trace-dat/spool/spool.ts";
import type { SymbolsStore } from "./run-sink.ts";

export class SpooledSymbols implements SymbolsStore {
  readonly #spool: Spool;
  #file: OutputFile | undefined;
  #bytes = 0;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  readonly restart = (): void => {
    this.abandon();
    this.#bytes = 0;
  };

  readonly write = (part: Uint8Array): void => {
    this.#file ??= this.#spool.newMetadata();
    this.#file.write(part);
    this.#bytes += part.length;
  };

  /** After `finish`, from the disk. */
  readonly read = (): Uint8Array => this.#spool.readMetadataStart(this.#bytes);

  /** What else was told before the start follows: now the metadata are whole. */
  finish(rest: Uint8Array): void {
    this.#file ??= this.#spool.newMetadata();
    this.#file.write(rest);
    this.#file.finishSoon();
    this.#file = undefined;
  }

  abandon(): void {
    this.#file?.abandon();
    this.#file = undefined;
  }
}
