/**
 * Where Debian's trace-cmd 3.1.6 (libtraceevent 1.7.1) prints an event wrong, each by a name and with the reason. `right` is what
 * it should have printed, where that follows from its line alone; `explains` says whether a difference of two lines is this one.
 */
export type KnownDifference = {
  name: string;
  reason: string;
  right?: (theirs: string) => string;
  explains: (theirs: string, right: string) => boolean;
};

/** "task-pid [cpu] time: event:": what must be the same whatever the text; with -l and --ts-diff, too. */
export function headOf(line: string): string {
  return /^.*?-\d+ +(?:\[\d+\]|\d+[.dXN][.N][.hHs]\S*) *[\d.]+:(?: \(\+\d+\))? +\S+/.exec(line)?.[0] ?? line;
}

const isEvent = (line: string, name: RegExp): boolean => name.exec(headOf(line)) !== null;
const sameHead = (theirs: string, right: string): boolean => headOf(theirs) === headOf(right);

const oldLetters: Record<string, string> = { W: "I", X: "Z", Z: "X" };
const newLetters = (theirs: string): string =>
  isEvent(theirs, / sched_switch:$/)
    ? theirs.replace(/\] ([WXZ])(\+?) ==> /, (_, letter: string, plus) => `] ${oldLetters[letter]}${plus} ==> `)
    : theirs;

const timeDifference = (line: string): number => Number(/[\d.]: \(\+(\d+)\) /.exec(line)?.[1] ?? Number.NaN);
const withoutDifference = (line: string): string => line.replace(/ \(\+\d+\) */, " ");

export const knownDifferences: readonly KnownDifference[] = [
  {
    name: "state letters of old kernels",
    reason:
      "sched_switch's plugin names the states by the letters that kernels had before 4.14: I is shown as W, Z as X",
    right: newLetters,
    explains: (theirs, right) => newLetters(theirs) === right,
  },
  {
    name: "precedence of & and |",
    reason: "`REC->flags & (A | B)` is computed as `REC->flags & A | B`: timer_start has flags that it has not",
    explains: (theirs, right) =>
      isEvent(theirs, / timer_start:$/) && theirs.replace(/ flags=\S*$/, "") === right.replace(/ flags=\S*$/, ""),
  },
  {
    name: "precedence of ?:",
    reason: "`REC->fallback_order < (a ? b : c)` is computed as `REC->fallback_order < a ? b : c`",
    explains: (theirs, right) =>
      isEvent(theirs, / mm_page_alloc_extfrag:$/) &&
      theirs.replace(/ fragmenting=\S*/, "") === right.replace(/ fragmenting=\S*/, ""),
  },
  {
    name: "print fmt not understood",
    reason: "libtraceevent cannot parse the event's print fmt and shows its fields",
    explains: (theirs, right) => theirs.includes("[FAILED TO PARSE]") && sameHead(theirs, right),
  },
  {
    name: "event without a format",
    reason: "3.1.6 shows neither task nor time of an event whose format the file lacks",
    explains: (theirs, right) =>
      /^(?:\[UNKNOWN EVENT\]){2,3} /.test(theirs) &&
      theirs.replace(/^(?:\[UNKNOWN EVENT\])+ +/, "") === right.replace(/^.*\d: +(?=\(\+|\(NULL\))/, ""),
  },
  {
    name: "a field and an offset",
    reason: "`REC->line + 16` as what %ph dumps is refused",
    explains: (theirs, right) => /^\d+: ARG TYPE NOT FIELD BUT \d+$/.test(theirs) && /^\d+: [0-9a-f ]+$/.test(right),
  },
  {
    name: "a difference of another unit",
    reason:
      "--ts-diff without -t counts in another unit than the times: in 1000 ticks where the clock counts no ns, in ns where the file names no clock",
    explains: (theirs, right) => {
      const [their, our] = [timeDifference(theirs), timeDifference(right)];
      const isKnown = Math.abs(their * 1000 - our) <= 1000 || Math.abs(their - our * 1000) <= 1000;
      return isKnown && withoutDifference(newLetters(theirs)) === withoutDifference(right);
    },
  },
  {
    name: "kvm's plugin",
    reason:
      "libtraceevent's plugin shows kvm_entry and kvm_exit with the fields of older kernels, not by their print fmt",
    explains: (theirs, right) => isEvent(theirs, / kvm_(entry|exit):$/) && sameHead(theirs, right),
  },
];

/** The name of the difference; undefined if it is none that is known. */
export function differenceOf(theirs: string, right: string): string | undefined {
  return knownDifferences.find(({ explains }) => explains(theirs, right))?.name;
}
