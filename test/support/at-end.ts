/** What the test files of a process share is taken away behind the last one (preload.ts). */

const shared = globalThis as { traceAgentAtEnd?: (() => void)[] };

export function atEnd(work: () => void): void {
  (shared.traceAgentAtEnd ??= []).push(work);
}

export function endAll(): void {
  for (const work of shared.traceAgentAtEnd?.splice(0) ?? []) work();
}
