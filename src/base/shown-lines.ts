/** Lines that are updated in place on stderr, and what else is written there: a log line stands on a line of its own. */
const clearers = new Set<() => void>();

/** `clear` is called before something else is written, which takes it from the list. */
export function lineIsShown(clear: () => void): void {
  clearers.add(clear);
}

export function lineIsCleared(clear: () => void): void {
  clearers.delete(clear);
}

/** Each is drawn again when it is updated the next time. */
export function clearShownLines(): void {
  for (const clear of clearers) clear();
}
