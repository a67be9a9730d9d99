/** What the fields of marked events say, as `report` prints them: each text once, as far as the page has room. */
import { ByteWriter } from "../../base/byte-writer.ts";
import { foreignText } from "../../base/foreign-text.ts";
import type { EventType } from "../../events/event-catalog.ts";
import type { EventRecord } from "../../events/event-record.ts";
import { pageLimits } from "./limits.ts";
import type { PageBudget } from "./page-budget.ts";

export class FieldTexts {
  readonly texts: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #writer = new ByteWriter(() => {});
  readonly #written = Buffer.from(this.#writer.bytes.buffer);
  readonly #budget: PageBudget;

  constructor(budget: PageBudget) {
    this.#budget = budget;
  }

  /** 0: nothing is told, else 1 + the text's place. */
  numberOf(record: EventRecord, kind: EventType | undefined): number {
    const writer = this.#writer;
    writer.length = 0;
    kind?.print(record, writer);
    if (writer.length === 0) return 0;
    const shown = Math.min(writer.length, pageLimits.fieldsChars);
    const printed = this.#written.toString("latin1", 0, shown);
    let number = this.#numbers.get(printed);
    if (number === undefined) {
      if (!this.#budget.takeFields(printed.length)) return 0;
      const text = foreignText(printed.trimEnd());
      number = this.texts.push(shown < writer.length ? `${text}…` : text);
      this.#numbers.set(printed, number);
    }
    return number;
  }

  clear(): void {
    this.texts.length = 0;
    this.#numbers.clear();
  }
}
