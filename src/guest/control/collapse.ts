/**
 * Orders that came together and ask for the same thing are carried out once: a flood of them must not delay the
 * orders that follow.
 *
 * Of repeated questions (hello, status, metadata) with only questions in between, the last is answered. Of
 * consecutive starts and stops, the last counts, and the last of the other kind before it: together they hand over
 * the ring buffer's content. Where more orders came at once than a host has reason to send, only the last of each
 * kind and key counts, whatever is in between.
 */
import type { Order } from "../../protocol/orders.ts";
import { guestLimits } from "../limits.ts";

export function collapse(orders: readonly Order[]): Order[] {
  const flood = orders.length > guestLimits.ordersAtOnce;
  const kept: Order[] = [];
  /** What was kept after the current order. */
  const later = new Set<string>();
  for (const order of orders.toReversed()) {
    const name = flood ? kindName(order) : nameOf(order);
    const kind = kindOf(order);
    if (kind !== "other" || (flood && !isEachAnother(order))) {
      if (later.has(name)) continue;
      if (!flood && ![...later].every((word) => kinds[word.split(" ", 1)[0] ?? ""] === kind)) later.clear();
      later.add(name);
    } else if (!flood) later.clear();
    kept.push(order);
  }
  return kept.toReversed();
}

const kinds: Record<string, "question" | "switch"> = {
  hello: "question",
  status: "question",
  metadata: "question",
  start: "switch",
  stop: "switch",
};

function kindOf({ order }: Order): "question" | "switch" | "other" {
  return kinds[order] ?? "other";
}

/** What asks for the same has the same name. */
function nameOf(order: Order): string {
  return order.order === "metadata" ? ["metadata", ...order.sections].join(" ") : kindName(order);
}

function kindName(order: Order): string {
  return order.order === "set" ? `set ${order.key}` : order.order;
}

/** Not one of these asks for the same as another, whatever their number. */
function isEachAnother(order: Order): boolean {
  if (order.order === "set") return ["filter", "trigger", "options"].includes(order.key);
  return order.order === "malformed" || order.order === "part" || order.order === "restore";
}
