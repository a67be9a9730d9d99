/** For what may be gone while it is read, as a process in /proc: undefined then. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
