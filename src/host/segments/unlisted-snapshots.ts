/**
 * Snapshots that session.json does not name: their recorder was killed after the file was there. A segment is noted in its spool before it
 * is written; of a snapshot nobody knows but its file, and what is left of the ring has only a part of what is in it.
 */
import { statSync } from "node:fs";
import { log } from "../../base/log.ts";
import type { Unfinished } from "../machines/unfinished.ts";
import { isOf } from "../machines/unknown-files.ts";
import type { SegmentStore } from "./segment-store.ts";

/** What asked for it was not noted. */
const trigger = "not known: the recorder was killed";

/** Before anything is made of the ring: these files have numbers, too. */
export function listSnapshots(store: SegmentStore, { machine, recording, spool }: Unfinished): void {
  const { directory } = store;
  const { traceId = "" } = recording;
  const listed = machine.recordings.filter(({ state }) => state !== "recording");
  const known = new Set([...listed, ...spool.readCuts().left].map(({ file }) => file));
  for (const name of directory.segments.list(machine.name).sort()) {
    const file = `${machine.name}/${name}`;
    const told = toldBy(name);
    const path = `${directory.path}/${file}`;
    if (told === undefined || known.has(file) || !directory.segments.has(machine.name, file)) continue;
    if (!isOf(path, traceId)) continue;
    const { size: bytes, mtime } = statSync(path);
    store.passNumber(told.number);
    store.add(
      machine,
      { file, state: "whole", traceId, ...told, ended: mtime.toISOString(), bytes, trigger },
      recording,
    );
    directory.note();
    log.info(`${file} is a snapshot that its recorder, which was killed, had not listed yet`);
  }
}

/** What `fileOf` of a store puts into a name. Undefined for one that is none. */
function toldBy(name: string): { started: string; number: number } | undefined {
  const [, year, month, day, hour, minute, second, number] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-(\d{4,9})\.dat$/.exec(name) ?? [];
  if (number === undefined) return undefined;
  return { started: `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`, number: Number(number) };
}
