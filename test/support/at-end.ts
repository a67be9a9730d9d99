/** What the test files of a process share is taken away behind the last one (preload.ts). */

type Work = () => void | Promise<void>;

const shared = globalThis as { traceAgentAtEnd?: Work[] };

export function atEnd(work: Work): void {
  (shared.traceAgentAtEnd ??= []).push(work);
}

export async function endAll(): Promise<void> {
  for (const work of shared.traceAgentAtEnd?.splice(0) ?? []) await work();
}
