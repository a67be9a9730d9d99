/** The futex system call: its operation by name, and the arguments that this operation has (futex(2)). */
import { type ByteWriter, type Constant, constant } from "../../base/byte-writer.ts";
import type { EventRecord } from "../event-record.ts";
import type { NumberNode } from "../print-format/number-node.ts";
import { type Plugin, plainField } from "./plugin.ts";

type Show = "hex" | "decimal" | undefined;
type Operation = { name: Constant; val: Show; utime: Show; uaddr2: Show; val3: Show };

const operation = (name: string, val: Show, utime?: Show, uaddr2?: Show, val3?: Show): Operation => ({
  name: constant(`op=FUTEX_${name}`),
  val,
  utime,
  uaddr2,
  val3,
});

/** By the operation's number. */
const operations: readonly Operation[] = [
  operation("WAIT", "hex", "hex"),
  operation("WAKE", "decimal"),
  operation("FD", "decimal"),
  operation("REQUEUE", "decimal", "decimal", "hex"),
  operation("CMP_REQUEUE", "decimal", "decimal", "hex", "hex"),
  operation("WAKE_OP", "decimal", "decimal", "hex", "hex"),
  operation("LOCK_PI", undefined, "hex"),
  operation("UNLOCK_PI", undefined),
  operation("TRYLOCK_PI", undefined),
  operation("WAIT_BITSET", "hex", "hex", undefined, "hex"),
  operation("WAKE_BITSET", "decimal", undefined, undefined, "hex"),
  operation("WAIT_REQUEUE_PI", "hex", "hex", "hex", "hex"),
  operation("CMP_REQUEUE_PI", "decimal", "decimal", "hex", "hex"),
];

const privateFlag = 128;
const realtimeFlag = 256;
const privateText = constant("|FUTEX_PRIVATE_FLAG");
const realtimeText = constant("|FUTEX_CLOCK_REALTIME");

export const futex: Plugin = (context) => {
  const [uaddr, op, val] = [plainField(context, "uaddr"), plainField(context, "op"), plainField(context, "val")];
  const [utime, uaddr2, val3] = [
    plainField(context, "utime"),
    plainField(context, "uaddr2"),
    plainField(context, "val3"),
  ];
  if (!uaddr || !op || !val || !utime || !uaddr2 || !val3) return undefined;
  return (record, out) => {
    const number = op.low(record);
    const known = operations[(number & ~(privateFlag | realtimeFlag)) >>> 0];
    if (known === undefined || op.high(record) !== 0) {
      context.general(record, out);
      return;
    }
    out.put(known.name);
    if ((number & privateFlag) !== 0) out.put(privateText);
    if ((number & realtimeFlag) !== 0) out.put(realtimeText);
    write(record, out, " uaddr=", uaddr, "hex");
    write(record, out, " val=", val, known.val);
    write(record, out, known.utime === "decimal" ? " val2=" : " utime=", utime, known.utime);
    write(record, out, " uaddr2=", uaddr2, known.uaddr2);
    write(record, out, " val3=", val3, known.val3);
  };
};

function write(record: EventRecord, out: ByteWriter, label: string, value: NumberNode, show: Show): void {
  if (show === undefined) return;
  out.text(label);
  if (show === "decimal") {
    out.unsigned64(value.high(record), value.low(record));
    return;
  }
  out.byte(0x30);
  out.byte(0x78);
  const start = out.length;
  out.hex(value.high(record), value.low(record));
  out.pad(start, 8, false, 0x30);
}
