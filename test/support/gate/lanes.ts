/** Runs things side by side: so many of each kind at a time, in the order in which they stand. */

/** Resolves when all have ended. `atOnce` says how many of a kind may run together. */
export async function runInLanes<T>(
  items: readonly T[],
  kindOf: (item: T) => string,
  atOnce: (kind: string) => number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  const queues = new Map<string, T[]>();
  for (const item of items) queues.set(kindOf(item), [...(queues.get(kindOf(item)) ?? []), item]);
  const lane = async (queue: T[]): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await run(item);
  };
  const lanes = [...queues].flatMap(([kind, queue]) =>
    Array.from({ length: Math.max(1, atOnce(kind)) }, () => lane(queue)),
  );
  await Promise.all(lanes);
}
