/**
 * What a machine told of itself whose recording is cut while it goes on. It lies in the spool, and is read when a segment, or a trigger,
 * needs it: when it comes other machines begin, or are recorded.
 */
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { mergeMetadata } from "../../events/metadata-files.ts";
import { sharedFormats } from "../../events/shared-formats.ts";
import type { Metadata } from "../../events/trace-metadata.ts";
import { readMetadata } from "../../trace-dat/spool/metadata-read.ts";
import type { Spool } from "../../trace-dat/spool/spool.ts";
import { packTables } from "../../trace-dat/write/packed-tables.ts";
import type { PackedSection } from "../../trace-dat/write/v7-sections.ts";
import { joinCommands } from "./task-names.ts";

export class StreamMetadata {
  /** Its clock, its counters before its events were set, and little else; undefined before the machine told anything. */
  head: Metadata | undefined;
  readonly #name: string;
  readonly #spool: Spool;
  #metadata: Metadata | undefined;
  #tables: Promise<readonly PackedSection[]> | undefined;

  constructor(name: string, spool: Spool) {
    this.#name = name;
    this.#spool = spool;
  }

  /** What a recorder left that was killed. */
  left(metadata: Metadata, head: Metadata): void {
    this.head = head;
    this.#metadata = metadata;
  }

  /** `body`: what the spool has, where it has not. Throws an AgentError where it is none. */
  begin(body: Uint8Array): Metadata {
    this.head = this.#spool.readMetadata("start", isHead) ?? readMetadata(body, "the guest", "io", isHead);
    return this.head;
  }

  /** As of the start, without symbols, and with the names of the last cut. */
  get metadata(): Metadata | undefined {
    if (this.#metadata === undefined && this.head !== undefined) {
      const whole = this.#read(isNoSymbol) ?? this.head;
      this.#metadata = { ...whole, formats: sharedFormats(whole.formats) };
    }
    return this.#metadata;
  }

  /** Of all segments, with the symbols, which are not held. */
  async tables(): Promise<readonly PackedSection[]> {
    const none = { uname: this.#name, cpus: 1, formats: [], cpuStats: [] };
    this.#tables ??= packTables(this.#read() ?? this.metadata ?? none);
    return this.#tables;
  }

  /** Names and counters as of a cut. */
  note(body: Uint8Array): void {
    this.#merge(readMetadata(body, "the guest", "io"));
  }

  /** The same as of the end. What else was enabled meanwhile is in the spool then, for the tables of the last segment. */
  noteFinal(body: Uint8Array): void {
    this.#tables = undefined;
    this.#merge(readMetadata(body, "the guest", "io", (file) => isNoSymbol(file) && !file.startsWith("events/")));
  }

  #merge(later: Metadata): void {
    const savedCommands = joinCommands(this.metadata?.savedCommands, later.savedCommands);
    const savedTgids = joinCommands(this.metadata?.savedTgids, later.savedTgids);
    this.#metadata = {
      ...(mergeMetadata(this.metadata, later) ?? later),
      ...(savedCommands === undefined ? {} : { savedCommands }),
      ...(savedTgids === undefined ? {} : { savedTgids }),
    };
  }

  /** As far as it can be used: the others are recorded whatever this one tells. */
  #read(isWanted?: (file: string) => boolean): Metadata | undefined {
    try {
      const start = this.#spool.readMetadata("start", isWanted);
      return mergeMetadata(start, this.#spool.readMetadata("end", isWanted));
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      log.warn(`${this.#name}: ${error.text}; its files tell no event formats`);
      return undefined;
    }
  }
}

/** What must be known before data come. */
function isHead(file: string): boolean {
  return file === "events/header_page" || file === "trace_clock" || file.startsWith("per_cpu/");
}

/** Symbols are megabytes. */
function isNoSymbol(file: string): boolean {
  return file !== "kallsyms" && file !== "printk_formats";
}
