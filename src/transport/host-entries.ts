/** Ports that are entries of the guest's directory on the host: a name, and an ending that says which side it is for. */
import { lstatSync, readdirSync, type Stats } from "node:fs";

/** Names of the ports that have an entry with this ending, of the right kind. Throws what reading the directory throws. */
export function portNamesIn(directory: string, ending: string, isOf: (status: Stats) => boolean): string[] {
  return readdirSync(directory)
    .filter((entry) => entry.endsWith(ending) && entry !== ending)
    .filter((entry) => {
      const status = lstatSync(`${directory}/${entry}`, { throwIfNoEntry: false });
      return status !== undefined && isOf(status);
    })
    .map((entry) => entry.slice(0, -ending.length));
}
