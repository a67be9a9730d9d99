/** Arguments of a command as one text: "-e sched -f |prev_pid != 0|"; bars hold together what has spaces. */
export function words(text: string): string[] {
  return (text.match(/\|[^|]*\||\S+/g) ?? []).map((word) => word.replaceAll("|", ""));
}
