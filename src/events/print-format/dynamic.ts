/** Where the bytes of a `__data_loc` or `__rel_loc` field are: within the event, or nowhere. */
import type { EventField } from "../event-format.ts";
import type { EventRecord } from "../event-record.ts";

/** From the event's start; 0 if it is beyond the event. */
export function dynamicOffset(record: EventRecord, field: EventField, littleEndian: boolean): number {
  const place = record.view.getUint32(record.at + field.offset, littleEndian);
  const offset = (place & 0xffff) + (field.dynamic === "field" ? field.offset + field.size : 0);
  return offset > record.size ? 0 : offset;
}

/** 0 if it reaches beyond the event. */
export function dynamicLength(record: EventRecord, field: EventField, littleEndian: boolean): number {
  const place = record.view.getUint32(record.at + field.offset, littleEndian);
  const offset = (place & 0xffff) + (field.dynamic === "field" ? field.offset + field.size : 0);
  const length = place >>> 16;
  return offset + length > record.size ? 0 : length;
}
