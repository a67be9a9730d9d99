/** The orders that set a value: one, or where it is longer than a line its parts, and the end of them. */
import { protocolLimits } from "../../protocol/limits.ts";
import { type SetOrder, type SettableKey, writeOrder } from "../../protocol/orders.ts";

/** `words`: of the value, which the guest joins with spaces. None of them is longer than a line. */
export function setOrders(key: SettableKey, words: readonly string[]): SetOrder[] {
  const whole: SetOrder = { order: "set", key, value: words.join(" ") };
  if (writeOrder(whole).length <= protocolLimits.orderLineBytes) return [whole];
  const roomChars = protocolLimits.orderLineBytes - writeOrder({ order: "part", key, part: "" }).length - 1;
  const parts: string[] = [];
  let part = "";
  for (const word of words) {
    if (part !== "" && part.length + 1 + word.length > roomChars) {
      parts.push(part);
      part = "";
    }
    part += part === "" ? word : ` ${word}`;
  }
  return [...parts, part, undefined].map((one) => ({ order: "part", key, part: one }));
}
