/** Allocations get the function that asked for them in front; TLB flushes their reason in words. */
import { constant } from "../byte-writer.ts";
import { type KnownEvent, plainField } from "./known-event.ts";

const offsetPrefix = constant("+0x");
const offsetSuffix = constant(") ");

/** "(do_epoll_create+0x2d) ", then the general text. */
export const allocation: KnownEvent = (context) => {
  const site = plainField(context, "call_site");
  if (site === undefined) return undefined;
  const { symbols, general } = context;
  return (record, out) => {
    const [high, low] = [site.high(record), site.low(record)];
    const index = symbols.find(high, low);
    if (index >= 0) {
      out.byte(0x28);
      symbols.write(out, index);
      out.put(offsetPrefix);
      out.hex(0, symbols.offsetIn(index, high, low));
      out.put(offsetSuffix);
    }
    general(record, out);
  };
};

const reasons = ["flush on task switch", "remote shootdown", "local shootdown", "local mm shootdown"].map((text) => constant(text));
const pagesText = constant("pages=");
const reasonText = constant(" reason=");

export const tlbFlush: KnownEvent = (context) => {
  const [pages, reason] = [plainField(context, "pages"), plainField(context, "reason")];
  if (!pages || !reason) return undefined;
  return (record, out) => {
    const number = reason.low(record) >>> 0;
    out.put(pagesText);
    out.signed64(pages.high(record), pages.low(record));
    out.put(reasonText);
    const text = reasons[number];
    if (text !== undefined) out.put(text);
    out.byte(0x20);
    out.byte(0x28);
    out.decimal(number);
    out.byte(0x29);
  };
};
