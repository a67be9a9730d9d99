/** What a reader is told of a place in the picture: a title, facts, and places to go to. */
import { endCut, leftAsWords, startCut } from "../page-data.ts";
import { type Culprit, waitBefore } from "./culprits.ts";
import { countText, durationText, taskText, timeText } from "./format.ts";
import { timesOf } from "./hit.ts";
import type { Row } from "./model.ts";
import type { Chosen } from "./scene.ts";
import { lowerBound } from "./search.ts";

export type Fact = { name: string; text: string };
/** `note`: a few words behind the place. */
export type Place = { text: string; note: string; chosen: Chosen };
export type Description = { title: string; facts: Fact[]; places: { title: string; list: Place[]; rest: string }[] };

const culpritsShown = 6;

export function describe(chosen: Chosen, epoch: string): Description {
  const { row, of, index } = chosen;
  const { from, to } = timesOf(chosen);
  const time = [
    { name: "from", text: `${timeText(epoch, from)} s` },
    { name: "for", text: durationText(to - from) },
  ];
  const where = { name: "on", text: row.machine.label === "" ? row.label : `${row.machine.label}, ${row.label}` };
  if (of === "slices") return describeSlice(row, index, [where, ...time]);
  if (of === "stalls") return describeStall(row, index, [where, ...time]);
  if (of === "interrupts") {
    const { name, task } = row.interrupts;
    const title = row.machine.names[name[index] ?? 0] ?? "interrupt";
    return {
      title,
      facts: [where, ...time, { name: "interrupted", text: taskText(row.machine, task[index] ?? 0) }],
      places: [],
    };
  }
  if (of === "marks") {
    const title = row.machine.names[row.marks.name[index] ?? 0] ?? "event";
    const [at] = time;
    const task = { name: "by", text: taskText(row.machine, row.marks.task[index] ?? 0) };
    const fields = row.machine.fieldTexts[row.marks.fields[index] ?? -1];
    const told = fields === undefined ? [] : [{ name: "fields", text: fields }];
    return { title, facts: [where, ...(at === undefined ? [] : [{ ...at, name: "at" }]), task, ...told], places: [] };
  }
  const lost = row.losses.lost[index] ?? NaN;
  const title =
    lost === lost ? `${countText(lost)} events were lost` : "Events were lost; the kernel did not count them";
  return { title, facts: [where, ...time, { name: "so", text: "what ran here meanwhile is not known" }], places: [] };
}

function describeSlice(row: Row, index: number, facts: Fact[]): Description {
  const { slices, machine } = row;
  const flags = slices.flags[index] ?? 0;
  const left = leftAsWords[flags & 7] ?? "";
  const cuts = [
    ...((flags & startCut) === 0 ? [] : ["it began before"]),
    ...((flags & endCut) === 0 ? [] : ["it went on"]),
  ];
  const more = [
    ...(left === "" ? [] : [{ name: "then", text: leftTexts[left] }]),
    ...(cuts.length === 0 ? [] : [{ name: "not seen", text: cuts.join(", ") }]),
  ];
  const wait = waitBefore(row, index);
  const title = taskText(machine, slices.task[index] ?? 0);
  const hostFacts = hostFactsOf(row, index);
  if (wait === undefined) return { title, facts: [...facts, ...more, ...hostFacts.facts], places: hostFacts.places };
  const waited =
    wait.cause === "preempted"
      ? "after it was preempted"
      : wait.cause === "new"
        ? "as a new task"
        : "after it was woken";
  const waker = slices.waker[index] ?? -1;
  const wakerIn = slices.wakerIn[index] ?? -1;
  const by =
    waker < 0
      ? []
      : [
          {
            name: "woken by",
            text: `${wakerIn < 0 ? "" : `${machine.names[wakerIn] ?? ""} over `}${taskText(machine, waker)} on CPU ${slices.wakerCpu[index]}`,
          },
        ];
  return {
    title,
    facts: [
      ...facts,
      { name: "had waited", text: `${durationText(wait.to - wait.from)} ${waited}` },
      ...by,
      ...more,
      ...hostFacts.facts,
    ],
    places: [culpritPlaces(`Meanwhile ${wait.row.label} ran`, wait.culprits, wait.unknownNs), ...hostFacts.places],
  };
}

const leftTexts: Record<(typeof leftAsWords)[number], string> = {
  "": "",
  preempted: "it was preempted: it wanted to run on",
  sleeping: "it slept",
  blocked: "it was blocked (D)",
  dead: "it ended",
};

/** A stall of a vCPU, with what the host ran instead. */
function describeStall(row: Row, index: number, facts: Fact[]): Description {
  const { view } = row;
  const run = view?.stalls.run[index] ?? 0;
  const hostRow = view?.host.lines[view.runs.row[run] ?? 0];
  const slice = view?.runs.slice[run] ?? 0;
  const wait = hostRow === undefined ? undefined : waitBefore(hostRow, slice);
  const title = `${row.label} waited for a CPU of its host`;
  if (view === undefined || hostRow === undefined || wait === undefined) return { title, facts, places: [] };
  const cause = {
    name: "its thread",
    text: `${taskText(view.host, view.task)} ${wait.cause === "preempted" ? "was preempted" : "was woken"}`,
  };
  const ran: Place = {
    text: taskText(view.host, view.task),
    note: `on the host's ${hostRow.label}`,
    chosen: { row: hostRow, of: "slices", index: slice },
  };
  return {
    title,
    facts: [...facts, cause],
    places: [
      culpritPlaces(`Meanwhile the host's ${wait.row.label} ran`, wait.culprits, wait.unknownNs),
      { title: "Then it ran", list: [ran], rest: "" },
    ],
  };
}

function culpritPlaces(title: string, culprits: readonly Culprit[], unknownNs: number): Description["places"][number] {
  const list = culprits.slice(0, culpritsShown).map(({ task, ns, row, slice }) => ({
    text: taskText(row.machine, task),
    note: durationText(ns),
    chosen: { row, of: "slices" as const, index: slice },
  }));
  const others = culprits.slice(culpritsShown).reduce((sum, { ns }) => sum + ns, 0);
  const rest = [
    ...(others > 0 ? [`others ${durationText(others)}`] : []),
    ...(unknownNs > 0 ? [`idle or not known ${durationText(unknownNs)}`] : []),
  ];
  return { title, list, rest: rest.join(", ") };
}

/** Of a slice in a guest: for how long of it, and of the wait before, its vCPU did not run. */
function hostFactsOf(row: Row, index: number): { facts: Fact[]; places: Description["places"] } {
  const { view, slices } = row;
  if (view === undefined) return { facts: [], places: [] };
  const to = slices.end[index] ?? 0;
  const from = (slices.start[index] ?? 0) - (slices.wait[index] ?? 0);
  const { stalls } = view;
  let [stalledNs, longest, longestNs] = [0, -1, 0];
  for (
    let at = Math.max(0, lowerBound(stalls.start, from, stalls.count) - 1);
    at < stalls.count && (stalls.start[at] ?? 0) < to;
    at++
  ) {
    const ns = Math.min(to, stalls.end[at] ?? 0) - Math.max(from, stalls.start[at] ?? 0);
    if (ns <= 0) continue;
    stalledNs += ns;
    if (ns > longestNs) [longest, longestNs] = [at, ns];
  }
  if (longest < 0) return { facts: [], places: [] };
  const place = {
    text: `${row.label} waited for its host`,
    note: durationText(longestNs),
    chosen: { row, of: "stalls" as const, index: longest },
  };
  return {
    facts: [{ name: "of that", text: `its vCPU could not run for ${durationText(stalledNs)}: the host ran others` }],
    places: [{ title: "The longest of these stalls", list: [place], rest: "" }],
  };
}
