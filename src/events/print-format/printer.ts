/** The form that every print format, field and plugin is compiled to. */
import type { ByteWriter } from "../../base/byte-writer.ts";
import type { EventRecord } from "../event-record.ts";

export type Printer = (record: EventRecord, out: ByteWriter) => void;
