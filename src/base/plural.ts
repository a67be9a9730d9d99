/** Counted nouns: "1 CPU", "2 CPUs". */

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
