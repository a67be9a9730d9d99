/** Allocations are preceded by the function that asked for them; TLB flushes show their reason in words. */
import { constant } from "../../base/byte-writer.ts";
import { type Plugin, plainField } from "./plugin.ts";

const offsetPrefix = constant("+0x");
const offsetSuffix = constant(") ");

/**
 * "(do_epoll_create+0x2d) ", then the text of the print fmt. This one is the example for new plugins.
 *
 * 1. A Plugin is called once for each format, when the first event of its type is seen. It looks up the fields that it
 *    needs: formats come from a guest, so each of them may be missing, or may be no plain number.
 * 2. It returns undefined if it cannot do its work; then the print fmt gives the text.
 * 3. Otherwise it returns a printer, which is called for each event and must allocate nothing: no strings, no objects, no
 *    arrays that are taken apart at once (`const [high, low] = [...]`), since only the compiler's last tier leaves those out.
 *    Numbers are u64 in two halves, constants are bytes made once (`constant`), and `out` is written to directly.
 * 4. Text of a guest needs no care here: whoever writes the line makes it safe for a terminal.
 */
export const allocation: Plugin = (context) => {
  const site = plainField(context, "call_site");
  if (site === undefined) return undefined;
  const { symbols, general } = context;
  return (record, out) => {
    const high = site.high(record);
    const low = site.low(record);
    // -1: no known function is at this address, or the recording has no symbols.
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

const reasons = ["flush on task switch", "remote shootdown", "local shootdown", "local mm shootdown"].map((text) =>
  constant(text),
);
const pagesText = constant("pages=");
const reasonText = constant(" reason=");

export const tlbFlush: Plugin = (context) => {
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
