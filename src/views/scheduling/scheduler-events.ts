/** The events of the scheduler that a recording has formats of, and how their fields are read. */
import type { EventCatalog, EventType } from "../../events/event-catalog.ts";
import type { EventField } from "../../events/event-format.ts";
import type { Reader } from "../../events/print-format/number-node.ts";
import { stateLetters } from "../../events/plugins/sched.ts";
import type { LeftAs } from "./slices.ts";

export type SwitchReaders = {
  kind: EventType;
  prevPid: Reader;
  prevPrio: Reader;
  prevState: Reader;
  nextPid: Reader;
  nextPrio: Reader;
  prevComm: EventField | undefined;
  nextComm: EventField | undefined;
  leftAs: (state: number) => LeftAs;
  endState: (state: number) => string;
};

export type WakingReaders = {
  pid: Reader;
  prio: Reader;
  target: Reader;
  success: Reader;
  comm: EventField | undefined;
  isNew: boolean;
};

export function switchReaders(catalog: EventCatalog): SwitchReaders | undefined {
  const kind = catalog.find("sched", "sched_switch");
  const [prevPid, nextPid] = [kind?.number("prev_pid")?.low, kind?.number("next_pid")?.low];
  if (kind === undefined || prevPid === undefined || nextPid === undefined) return undefined;
  return {
    kind,
    prevPid,
    nextPid,
    prevPrio: kind.number("prev_prio")?.low ?? none,
    nextPrio: kind.number("next_prio")?.low ?? none,
    prevState: kind.number("prev_state")?.low ?? none,
    prevComm: kind.text("prev_comm"),
    nextComm: kind.text("next_comm"),
    leftAs: stateReader(stateLetters(kind.context)),
    endState: stateTexts(stateLetters(kind.context)),
  };
}

/** sched_waking comes first; sched_wakeup behind it tells of what was woken while it still left its CPU. */
export function wakingReaders(catalog: EventCatalog): Map<EventType, WakingReaders> {
  const all = new Map<EventType, WakingReaders>();
  for (const name of ["sched_waking", "sched_wakeup", "sched_wakeup_new"]) {
    const kind = catalog.find("sched", name);
    const pid = kind?.number("pid")?.low;
    if (kind === undefined || pid === undefined) continue;
    all.set(kind, {
      pid,
      prio: kind.number("prio")?.low ?? none,
      target: kind.number("target_cpu")?.low ?? ((record) => record.cpu),
      // Kernels before 4.3 also tell of tasks that were not to be woken.
      success: kind.number("success")?.low ?? (() => 1),
      comm: kind.text("comm"),
      isNew: name === "sched_wakeup_new",
    });
  }
  return all;
}

const none: Reader = () => 0;

/** By the letters of the kernel's own state bits; bits beyond them say that the task was preempted. */
function stateReader(letters: string): (state: number) => LeftAs {
  let [asleep, blocked, dead, idle] = [0, 0, 0, 0];
  for (let bit = 0; bit < letters.length; bit++) {
    const letter = letters.charAt(bit);
    asleep |= 1 << bit;
    if (letter === "D") blocked |= 1 << bit;
    if (letter === "X" || letter === "Z") dead |= 1 << bit;
    if (letter === "I") idle |= 1 << bit;
  }
  return (state) => {
    if ((state & asleep) === 0) return "preempted";
    if ((state & dead) !== 0) return "dead";
    // An idle kernel thread is not blocked, though in some kernels its state has the bit of D too.
    return (state & blocked) !== 0 && (state & idle) === 0 ? "blocked" : "sleeping";
  };
}

/** The letters of the bits that are set: "R" for none of them, "R+" of a task that was preempted. */
function stateTexts(letters: string): (state: number) => string {
  const texts = new Map<number, string>();
  const known = 2 ** letters.length - 1;
  return (state) => {
    // Other bits change nothing, so that there are few texts.
    const key = (state & known) === 0 ? Math.min(1, state >>> 0) * (known + 1) : state & known;
    let text = texts.get(key);
    if (text === undefined) {
      text = "";
      for (let bit = 0; bit < letters.length; bit++) if ((key & (1 << bit)) !== 0) text += letters.charAt(bit);
      if (text === "") text = key === 0 ? "R" : "R+";
      texts.set(key, text);
    }
    return text;
  };
}
