/** The top of the page: what was recorded, where and when, what was lost, and what the page leaves out. */
import { button, type Cell, element, tableOf } from "./dom.ts";
import { countText, durationText, timeText } from "./format.ts";
import type { Machine, Model } from "./model.ts";
import { lostText } from "./sections.ts";

export function headOf(model: Model, show: (machine: Machine) => void): HTMLElement[] {
  const { head, machines } = model;
  const lost = machines.reduce((sum, { summary }) => sum + summary.lost, 0);
  const uncounted = machines.reduce((sum, { summary }) => sum + summary.lostUncounted, 0);
  const events = machines.reduce((sum, { summary }) => sum + summary.events, 0);
  const damaged = machines.reduce((sum, { summary }) => sum + summary.damagedSubBuffers, 0);
  const facts: [string, string, string?][] = [
    ...(model.last >= model.first ? [["duration", durationText(model.last - model.first)] as [string, string]] : []),
    ["events", countText(events)],
    ["lost", lostText(lost, uncounted), lost > 0 || uncounted > 0 ? "bad" : "good"],
    ...(head.recorded === ""
      ? []
      : [["recorded", head.recorded.replace("T", " ").replace(/\.\d+Z$/, " UTC")] as [string, string]]),
    ...(damaged === 0 ? [] : [["damaged", `${countText(damaged)} sub-buffers`, "bad"] as [string, string, string]]),
  ];
  const [only] = machines;
  // One machine needs no table.
  if (machines.length === 1 && only !== undefined)
    facts.push(
      ["CPUs", countText(only.summary.cpus.length)],
      ["kernel", kernelText(only.summary.machine)],
      ["clock", only.summary.clock],
    );
  const list = element("dl", { className: "facts" });
  for (const [name, value, className = ""] of facts)
    list.append(element("div", {}, element("dt", {}, name), element("dd", { className }, value)));
  const made: HTMLElement[] = [element("header", {}, element("h1", {}, head.title), list)];
  if (machines.length > 1) made.push(machineTable(model, show));
  const notes = [
    ...head.notes,
    ...machines.flatMap(({ label, without }) =>
      without === undefined ? [] : [`${label || "The recording"} has no timeline: ${without}.`],
    ),
  ];
  if (notes.length > 0)
    made.push(element("div", { className: "notes", role: "note" }, ...notes.map((note) => element("p", {}, note))));
  return made;
}

/** Without when it was built. */
function kernelText(uname: string): string {
  return uname.replace(/ #\d.*(?= \S+$)/, "");
}

/** Where each machine's times lie, and how well they are known. */
function machineTable({ head, machines }: Model, show: (machine: Machine) => void): HTMLElement {
  const hasClocks = machines.some(({ clock }) => clock !== undefined);
  const rows = machines.map((machine): Cell[] => {
    const { label, lines, first, last, summary, clock = "", guests } = machine;
    const name = label || head.title;
    const cells: Cell[] = [
      first === null || lines.length === 0 ? name : button(name, () => show(machine), { title: "show its time" }),
      kernelText(summary.machine),
      { text: countText(summary.cpus.length), number: true },
      { text: first === null ? "no events" : `${timeText(head.epoch, first).slice(0, -3)} s`, number: true },
      { text: first === null || last === null ? "-" : durationText(last - first), number: true },
      { text: countText(summary.events), number: true },
      { text: lostText(summary.lost, summary.lostUncounted), number: true },
      summary.clock,
    ];
    return hasClocks
      ? [
          ...cells,
          clock.replace(/^[^:]*: (clock )?/, "") || (guests.length > 0 ? "the host: all others are on its clock" : ""),
        ]
      : cells;
  });
  return tableOf(
    "Machines",
    [
      "machine",
      "kernel",
      "CPUs",
      "from",
      "duration",
      "events",
      "lost",
      "clock",
      ...(hasClocks ? ["on one timeline"] : []),
    ],
    rows,
  );
}
