/** What tells that recordings belong together: the TRACEID of trace.dat, a number that nobody else has. */
export function newTraceId(): bigint {
  // Not by node:crypto, which brings streams with it: 3 ms of a start.
  return crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;
}
