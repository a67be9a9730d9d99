/** High-resolution timers: with the function that they call. */
import { type ByteWriter, constant } from "../../base/byte-writer.ts";
import type { EventRecord } from "../event-record.ts";
import type { NumberNode } from "../print-format/number-node.ts";
import type { SymbolTable } from "../symbols.ts";
import { type Plugin, plainField } from "./plugin.ts";

const timerText = constant("hrtimer=0x");
const nowText = constant(" now=");
const functionText = constant(" function=");
const expiresText = constant(" expires=");
const softText = constant(" softexpires=");
const offsetText = constant("/0x");
const two32 = 2 ** 32;

export const hrtimerExpire: Plugin = (context) => {
  const timer = plainField(context, "timer") ?? plainField(context, "hrtimer");
  const [now, callback] = [plainField(context, "now"), plainField(context, "function")];
  if (!timer || !now || !callback) return undefined;
  return (record, out) => {
    out.put(timerText);
    out.hex(timer.high(record), timer.low(record));
    out.put(nowText);
    out.unsigned64(now.high(record), now.low(record));
    writeFunction(record, out, callback, context.symbols);
  };
};

export const hrtimerStart: Plugin = (context) => {
  const timer = plainField(context, "timer") ?? plainField(context, "hrtimer");
  const callback = plainField(context, "function");
  const [expires, soft] = [plainField(context, "expires"), plainField(context, "softexpires")];
  if (!timer || !callback || !expires || !soft) return undefined;
  return (record, out) => {
    out.put(timerText);
    out.hex(timer.high(record), timer.low(record));
    writeFunction(record, out, callback, context.symbols);
    out.put(expiresText);
    out.unsigned64(expires.high(record), expires.low(record));
    out.put(softText);
    out.unsigned64(soft.high(record), soft.low(record));
  };
};

function writeFunction(record: EventRecord, out: ByteWriter, callback: NumberNode, symbols: SymbolTable): void {
  const high = callback.high(record);
  const low = callback.low(record);
  const index = symbols.find(high, low);
  out.put(functionText);
  if (index < 0) {
    out.byte(0x30);
    out.byte(0x78);
    out.hex(high, low);
    return;
  }
  symbols.write(out, index);
  out.put(offsetText);
  const offset = -symbols.offsetIn(index, high, low);
  out.hex(Math.floor(offset / two32) | 0, offset | 0);
}
