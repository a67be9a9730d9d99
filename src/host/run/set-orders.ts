/** The orders that set a value: one, or where it is longer than a line several, `set KEY+ PART` and at the end `set KEY+ .`. */
import { protocolLimits } from "../../protocol/limits.ts";
import { endOfParts } from "../../protocol/orders.ts";

/** `words`: of the value, which the guest joins with spaces. None of them is longer than a line. */
export function setOrders(key: string, words: readonly string[]): string[] {
  const whole = `set ${key} ${words.join(" ")}`;
  if (whole.length <= protocolLimits.orderLineBytes) return [whole];
  const orders: string[] = [];
  let order = `set ${key}+`;
  for (const word of words) {
    if (order.length + 1 + word.length > protocolLimits.orderLineBytes) {
      orders.push(order);
      order = `set ${key}+`;
    }
    order += ` ${word}`;
  }
  return [...orders, order, `set ${key}+ ${endOfParts}`];
}
