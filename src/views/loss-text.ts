/** How many events were lost, where the kernel did not always count them: "0" never hides a loss. */
export type Losses = {
  lostEvents: number;
  /** How often events were lost that the kernel did not count. */
  unknownLosses: number;
};

/** "0", "12", "12 and an unknown number (6 times)", "an unknown number (6 times)"; `unit` follows the count. */
export function lossText({ lostEvents, unknownLosses }: Losses, unit = ""): string {
  const counted = `${lostEvents}${unit}`;
  if (unknownLosses === 0) return counted;
  const unknown = `an unknown number (${unknownLosses === 1 ? "once" : `${unknownLosses} times`})`;
  return lostEvents === 0 ? unknown : `${counted} and ${unknown}`;
}

/** The same for a column: "12", "12+?", "?". */
export function lossCell({ lostEvents, unknownLosses }: Losses): string {
  if (unknownLosses === 0) return String(lostEvents);
  return lostEvents === 0 ? "?" : `${lostEvents}+?`;
}
