/** The code of a page that `report --html` writes: unpacks the data and builds the page. */
import { unpack } from "./decode.ts";
import type { Description } from "./describe.ts";
import { button, element } from "./dom.ts";
import { nextFound } from "./finder.ts";
import { runBeside } from "./follow.ts";
import { find, foundText } from "./found.ts";
import { durationText, timeText } from "./format.ts";
import { headOf } from "./head.ts";
import { timesOf } from "./hit.ts";
import { inViewTable } from "./in-view-table.ts";
import { keyTexts, takeKey } from "./keyboard.ts";
import { type Model, modelOf } from "./model.ts";
import { machineSections } from "./sections.ts";
import { Stage } from "./stage.ts";

async function main(): Promise<void> {
  const page = document.querySelector("#page");
  const data = document.querySelector("#data");
  if (page === null || data === null) return;
  const model = modelOf(await unpack(data.textContent));
  data.remove();
  document.title = `${model.head.title} — trace-agent`;
  build(page, model);
  document.documentElement.dataset["ready"] = "picture";
}

function build(page: Element, model: Model): void {
  const stage = new Stage(model);
  const hasTimeline = model.rows.length > 0 && model.last >= model.first;
  page.replaceChildren(
    ...headOf(model, ({ first, last }) => stage.window.show(first ?? 0, last ?? 0)),
    ...(hasTimeline
      ? timelineOf(stage)
      : [element("p", { className: "notes" }, "The recording holds no events that a timeline can show.")]),
  );
  const footer = element(
    "footer",
    {},
    `Made by ${model.head.tool}. This page is whole: it loads nothing, and sends nothing.`,
  );
  // The picture first: tables of a large recording take a moment.
  requestAnimationFrame(() => {
    stage.resize();
    setTimeout(() => {
      const isNamed = model.machines.length > 1;
      const search = (text: string): void => {
        const box = document.querySelector<HTMLInputElement>("#search");
        if (box === null) return;
        box.value = text;
        box.dispatchEvent(new Event("input"));
        stage.frame.scrollIntoView({ block: "nearest" });
      };
      const all = model.machines.flatMap((machine) => machineSections(stage, machine, isNamed, search));
      page.append(element("div", { className: "sections" }, ...all), footer);
      document.documentElement.dataset["ready"] = "all";
    });
  });
}

function timelineOf(stage: Stage): HTMLElement[] {
  const { window } = stage;
  const search = element("input", {
    id: "search",
    type: "search",
    placeholder: hasMarks(stage.model) ? "Search tasks and events" : "Search tasks",
    "aria-label": "Search tasks by name or pid, interrupts and events by what they are called or say",
    autocomplete: "off",
    spellcheck: "false",
  });
  const count = element("output", { for: "search" });
  const next = (step: number): void => nextFound(stage, step);
  search.addEventListener("input", () => {
    stage.found = find(stage.model, search.value);
    count.textContent = stage.found === undefined ? "" : foundText(stage.model, stage.found);
    stage.redraw();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") stage.frame.focus();
  });
  const keys = element(
    "details",
    {},
    element("summary", {}, "Keys"),
    element(
      "dl",
      { className: "keys", id: "keys" },
      ...keyTexts.flatMap(([key, what]) => [element("dt", {}, key), element("dd", {}, what)]),
    ),
  );
  const inView = element("span", { className: "in-view" });
  const bar = element(
    "div",
    { className: "bar", role: "toolbar", "aria-label": "Timeline" },
    button("−", () => window.zoom(1 / 0.5), { "aria-label": "Zoom out" }),
    button("+", () => window.zoom(0.5), { "aria-label": "Zoom in" }),
    button("All", () => window.showWhole(), { "aria-label": "Show all" }),
    search,
    button("‹", () => next(-1), { "aria-label": "Previous found" }),
    button("›", () => next(1), { "aria-label": "Next found" }),
    count,
    inView,
    legend(stage.model),
    keys,
  );
  const chosen = element("div", { className: "chosen", "aria-live": "polite" }, hint());
  const table = inViewTable(stage);
  stage.onChosen = (description) =>
    chosen.replaceChildren(...(description === undefined ? [hint()] : detailsOf(stage, description)));
  stage.onView = () => {
    inView.textContent = `${durationText(window.span)} from ${timeText(stage.epoch, window.from)} s`;
    table.changed();
  };
  stage.onView();
  stage.frame.addEventListener("keydown", (event) => {
    if (takeKey(stage, event, { search: () => search.focus(), next })) event.preventDefault();
  });
  return [bar, stage.overview, stage.frame, chosen, table.box];
}

function hasMarks({ rows }: Pick<Model, "rows">): boolean {
  return rows.some(({ marks }) => marks.count > 0);
}

function hint(): HTMLElement {
  return element(
    "p",
    { className: "dim" },
    "Ctrl+wheel or W and S zoom, a drag or A and D move. Click on what ran to see whom it waited for.",
  );
}

/** Only what this recording has. */
function legend({ rows }: Pick<Model, "rows">): HTMLElement {
  const has = (test: (row: Model["rows"][number]) => boolean): boolean => rows.some(test);
  const items: [string, string, boolean][] = [
    ["interrupt", "interrupts", has(({ interrupts }) => interrupts.count > 0)],
    ["mark", "other events", hasMarks({ rows })],
    ["runs", "its host ran the vCPU", has(({ view }) => view !== undefined)],
    ["stall", "the vCPU waited for its host", has(({ view }) => view !== undefined)],
    ["loss", "events lost", has(({ losses }) => losses.count > 0)],
  ];
  const shown = items
    .filter(([, , isThere]) => isThere)
    .map(([name, text]) => element("span", {}, element("i", { className: name }), text));
  return element("span", { className: "legend" }, ...shown);
}

function detailsOf(stage: Stage, { title, facts, places }: Description): HTMLElement[] {
  const list = element(
    "dl",
    {},
    ...facts.flatMap(({ name, text }) => [element("dt", {}, name), element("dd", {}, text)]),
  );
  const lists = places.map(({ title: of, list: all, rest }) => {
    const items = all.map(({ text, note, chosen }) =>
      element(
        "li",
        {},
        button(text, () => stage.goTo(chosen), { className: "culprit" }),
        ` ${note}`,
      ),
    );
    if (rest !== "") items.push(element("li", { className: "dim" }, rest));
    return element("div", {}, element("h3", {}, of), element("ul", {}, ...items));
  });
  return [element("h2", {}, title), element("div", { className: "columns" }, list, ...lists, ...besideOf(stage))];
}

/** Where the same task ran before and after. */
function besideOf(stage: Stage): HTMLElement[] {
  const { chosen } = stage;
  if (chosen === undefined) return [];
  const items = ([-1, 1] as const).flatMap((step) => {
    const run = runBeside(chosen, step);
    if (run === undefined) return [];
    const { from, to } = timesOf(run);
    const go = button(step < 0 ? "‹ before" : "after ›", () => stage.goTo(run), { className: "culprit" });
    return [
      element("li", {}, go, ` on ${run.row.label} at ${timeText(stage.epoch, from)} s for ${durationText(to - from)}`),
    ];
  });
  if (items.length === 0) return [];
  return [element("div", {}, element("h3", {}, "This task ran"), element("ul", {}, ...items))];
}

main().catch((error: unknown) => {
  const state = document.querySelector("#state");
  if (state !== null)
    state.textContent = `This page cannot be shown: ${error instanceof Error ? error.message : String(error)}. It needs a browser of 2023 or later, and must be whole.`;
});
