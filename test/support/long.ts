/**
 * Tests of which there is a longer form: `npm run test:long` runs the files that import this, with the longer one. It repeats
 * what the short form does, more often. Made there alone are only comparisons with other programs on a live machine, and what the
 * gate has in another form.
 */
export const isLong = process.env["TRACE_AGENT_LONG_TESTS"] === "1";

/** How often, how many or how long. */
export function inLongForm(short: number, long: number): number {
  return isLong ? long : short;
}
