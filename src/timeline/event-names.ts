/** Names of events as people give them: with a system or without, and with * and ?. */

/** Without a system `name` may be that of a system, too. */
export function eventMatcher(name: string, ofSystem: string | undefined): (system: string, event: string) => boolean {
  const events = globPattern(name);
  if (ofSystem === undefined) return (system, event) => events.test(event) || events.test(system);
  const systems = globPattern(ofSystem);
  return (system, event) => systems.test(system) && events.test(event);
}

function globPattern(glob: string): RegExp {
  const source = glob
    .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll(/\*+/g, ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source === "" ? ".*" : source}$`);
}
