/**
 * A value that is set before an event is printed: where an argument of trace_printk() lies depends on the arguments before it, and
 * so on the event.
 */
export class Slot {
  /** The halves of a number. */
  low = 0;
  high = 0;
  /** A string, in the record's bytes. */
  start = 0;
  size = 0;
}
