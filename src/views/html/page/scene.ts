/** What a picture shows. */
import type { Found } from "./found.ts";
import type { Layout } from "./layout.ts";
import type { Model, Row } from "./model.ts";
import type { Theme } from "./theme.ts";

/** What is chosen: an interval of a row, by its place. */
export type Chosen = { row: Row; of: "slices" | "interrupts" | "marks" | "losses" | "stalls"; index: number };

export type Scene = {
  model: Model;
  layout: Layout;
  theme: Theme;
  from: number;
  to: number;
  /** Of the rows above the picture, in px. */
  scrolled: number;
  width: number;
  height: number;
  ratio: number;
  chosen: Chosen | undefined;
  focused: Row | undefined;
  /** By machine, what a search found; undefined without one. */
  found: readonly Found[] | undefined;
};
