/** Shell patterns with `*`, `?` and `[...]`, matched in bounded time: a pattern may be hostile. */

export function isGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern);
}

/** Whether all of `text` matches. Backtracks only to the last star: at most pattern length times text length steps. */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0;
  let inPattern = 0;
  let star = -1;
  let starText = 0;
  while (at < text.length) {
    const next = pattern[inPattern] === "*" ? -1 : behindLetter(pattern, inPattern, text[at] ?? "");
    if (pattern[inPattern] === "*") {
      star = inPattern++;
      starText = at;
    } else if (next >= 0) {
      inPattern = next;
      at++;
    } else if (star >= 0) {
      // The last star matches one letter more.
      inPattern = star + 1;
      at = ++starText;
    } else return false;
  }
  while (pattern[inPattern] === "*") inPattern++;
  return inPattern === pattern.length;
}

/** The place behind the part of the pattern that matches this one letter; -1 where it does not match. */
function behindLetter(pattern: string, at: number, letter: string): number {
  const wanted = pattern[at];
  if (wanted === "?" || wanted === letter) return at + 1;
  if (wanted !== "[") return -1;
  const negated = pattern[at + 1] === "!" || pattern[at + 1] === "^";
  const first = at + (negated ? 2 : 1);
  // A bracket right at the beginning is one of the letters.
  const end = pattern.indexOf("]", first + 1);
  return end >= 0 && isOneOf(pattern.slice(first, end), letter) !== negated ? end + 1 : -1;
}

/** "a-z_" */
function isOneOf(letters: string, letter: string): boolean {
  for (let at = 0; at < letters.length; at++) {
    const last = letters[at + 1] === "-" ? letters[at + 2] : undefined;
    const from = letters[at] ?? "";
    if (letter >= from && letter <= (last ?? from)) return true;
    if (last !== undefined) at += 2;
  }
  return false;
}
