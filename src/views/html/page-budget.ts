/** How much the page of a recording holds, all its machines together, and what is left out. */
import { counted } from "../../base/plural.ts";
import { pageLimits } from "./limits.ts";

const countText = (count: number): string => count.toLocaleString("en");

export class PageBudget {
  #events = 0;
  #slices = 0;
  #losses = 0;
  #fieldsChars = 0;
  #withoutFields = 0;
  /** From when on slices are left out. */
  #cutFrom = Infinity;

  /** Whether events have marks: not where there are too many. */
  get hasMarks(): boolean {
    return this.#events <= pageLimits.markedEvents;
  }

  /** Whether this event may have a mark. */
  takeEvent(): boolean {
    this.#events++;
    return this.hasMarks;
  }

  /** False for one that is left out. */
  takeSlice(start: number): boolean {
    if (++this.#slices <= pageLimits.slices) return true;
    this.#cutFrom = Math.min(this.#cutFrom, start);
    return false;
  }

  /** Whether there is room for a text of so many chars. */
  takeFields(chars: number): boolean {
    if (this.#fieldsChars + chars > pageLimits.allFieldsChars) {
      this.#withoutFields++;
      return false;
    }
    this.#fieldsChars += chars;
    return true;
  }

  takeLoss(): boolean {
    return ++this.#losses <= pageLimits.losses;
  }

  /** What is left out, for the reader. `at`: a time as it is shown. */
  notes(at: (time: number) => string): string[] {
    const notes: string[] = [];
    if (!this.hasMarks)
      notes.push(
        `Left out: a mark for each of the ${countText(this.#events)} events; this page has those of recordings of at most ${countText(pageLimits.markedEvents)}. Slices of tasks and interrupts are drawn.`,
      );
    else if (this.#withoutFields > 0)
      notes.push(
        `Left out: the fields of ${counted(this.#withoutFields, "event")}; choose a shorter time with --from and --to.`,
      );
    const more = this.#slices - pageLimits.slices;
    if (more > 0)
      notes.push(
        `Left out: ${counted(more, "slice")} of tasks and interrupts, from ${at(this.#cutFrom)} on; choose a time with --from and --to. Tables and figures are of the whole recording.`,
      );
    const losses = this.#losses - pageLimits.losses;
    if (losses > 0) notes.push(`Left out: the places of ${counted(losses, "loss", "losses")}; the figures count them.`);
    return notes;
  }
}
