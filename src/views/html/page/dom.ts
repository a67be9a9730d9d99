/** Elements of the page. Foreign text only ever becomes text: nothing here takes HTML. */

export type Child = Node | string;

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { className, ...properties }: Partial<Record<string, string>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className !== undefined) made.className = className;
  for (const [name, value] of Object.entries(properties)) if (value !== undefined) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function button(
  text: Child,
  run: () => void,
  properties: Partial<Record<string, string>> = {},
): HTMLButtonElement {
  const made = element("button", { type: "button", ...properties }, text);
  made.addEventListener("click", run);
  return made;
}

export type Cell = Child | { text: Child; number?: boolean; share?: number };

/** A table in a box of its own, which is scrolled where it is wider than the page. `share`: a bar behind the cell. */
export function tableOf(caption: string, head: readonly string[], rows: readonly (readonly Cell[])[]): HTMLElement {
  const isNumber = head.map((_, column) => rows.some((row) => isCell(row[column]) && row[column].number === true));
  const headRow = element(
    "tr",
    {},
    ...head.map((text, column) => element("th", { scope: "col", ...classOf(isNumber[column]) }, text)),
  );
  const body = rows.map((row) =>
    element(
      "tr",
      {},
      ...row.map((cell) => {
        if (!isCell(cell)) return element("td", {}, cell);
        const made = element("td", classOf(cell.number), cell.text);
        if (cell.share !== undefined) {
          made.classList.add("share");
          made.style.setProperty("--share", `${Math.min(100, 100 * cell.share)}%`);
        }
        return made;
      }),
    ),
  );
  const table = element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, headRow),
    element("tbody", {}, ...body),
  );
  return element("div", { className: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table);
}

function isCell(cell: Cell | undefined): cell is { text: Child; number?: boolean; share?: number } {
  return typeof cell === "object" && !(cell instanceof Node);
}

function classOf(isNumber: boolean | undefined): { className?: string } {
  return isNumber === true ? { className: "number" } : {};
}

export function section(title: string, ...children: Child[]): HTMLElement {
  return element("section", {}, element("h2", {}, title), ...children);
}
