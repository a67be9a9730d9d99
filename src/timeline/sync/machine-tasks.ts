/** The tasks of a host that ran the CPUs of a guest, as its recording names them: QEMU's threads "CPU n/KVM" and "CPU n/TCG". */

/** Undefined where there is no such thread, or several of a number, as of several guests. `savedCommands`: "PID COMM" lines. */
export function tasksInCommands(savedCommands: string | undefined, cpus: number): number[] | undefined {
  const tasks = Array.from({ length: cpus }, () => -1);
  for (const line of (savedCommands ?? "").split("\n")) {
    const [, task, cpu] = /^\s*(\d{1,10}) CPU (\d{1,5})\/(?:KVM|TCG)$/.exec(line) ?? [];
    if (task === undefined || Number(cpu) >= cpus) continue;
    if ((tasks[Number(cpu)] ?? -1) !== -1) return undefined;
    tasks[Number(cpu)] = Number(task);
  }
  return tasks.some((task) => task !== -1) ? tasks : undefined;
}
