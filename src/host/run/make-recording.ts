/** From a spool to the file of the recording, and what the user is told on the way. */
import { type EndRequest, letEventsThrough } from "../../base/end-request.ts";
import { AgentError, errnoOf, sizeRemedy } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import type { OutputPlace } from "../../base/output-place.ts";
import type { Metadata } from "../../events/trace-metadata.ts";
import { imbalances } from "../../trace-dat/spool/balance.ts";
import { type Finished, finishSpool, type SpoolFile, type TimelineParts } from "../../trace-dat/spool/finish.ts";
import type { Spool } from "../../trace-dat/spool/spool.ts";
import type { TraceDatFormat } from "../../trace-dat/write/write.ts";
import { FinishProgress } from "./finish-progress.ts";
import { hostLimits } from "../limits.ts";

export type MakeOptions = {
  format: TraceDatFormat;
  /** That the user has from elsewhere. */
  metadata?: Metadata | undefined;
  /** Why the recording ended early, for the case that no file can be made. */
  trouble: string | undefined;
  /** Called when all files are there, before the spool goes: who finds it and does not know of them makes them again. */
  note?: (finished: Finished, missing: readonly string[]) => void;
  /** Delete the spool when all of it is in the file. */
  remove: boolean;
  /** Called where the spool stays: puts it where it is to be kept, and gives its path. */
  keep?: () => string;
  /** Of the machine, before what is told where there are several. */
  name?: string;
  /** A signal ends it: nothing of the file stays, and all of the spool. */
  end: EndRequest;
  /** How the user gets the file after that. */
  again: string;
  timeline?: TimelineParts;
  /** Files of the recording, of which the first is the one that is named, where it is more than one. */
  files?: readonly SpoolFile[];
};

/** `missing`: what keeps the recording from being whole, beside damage. Closes the spool. Throws an AgentError. */
export async function makeRecording(
  spool: Spool,
  place: OutputPlace,
  options: MakeOptions,
): Promise<{ finished: Finished; missing: string[] }> {
  const { remove, name } = options;
  const of = name === undefined ? "" : `${name}: `;
  const finished = await write(spool, place, options, of);
  const missing = [...finished.mismatches, ...imbalances(finished.balances)];
  options.note?.(finished, missing);
  // With metadata, or with another cut, a better file can be made of the spool.
  const hasMetadata = finished.metadata.headerEvent !== undefined;
  const isAll = hasMetadata && !finished.spoolHasMore;
  if (isAll && remove) spool.remove();
  else spool.close();
  const kept = isAll && remove ? "" : (options.keep?.() ?? spool.path);
  for (const warning of finished.warnings) log.warn(`${of}${warning}`);
  if (remove && !hasMetadata) log.warn(`kept ${kept}: trace-agent recover ${kept} --metadata FILE -o ${place.path}`);
  else if (remove && !isAll) log.warn(`kept ${kept}, which holds more than the file`);
  for (const note of finished.notes) log.info(`${of}${note}`);
  return { finished, missing };
}

async function write(
  spool: Spool,
  place: OutputPlace,
  { format, metadata, trouble, end, again, timeline = {}, files = [{ output: place, timeline }] }: MakeOptions,
  of: string,
): Promise<Finished> {
  const bytes = spool.streams().reduce((sum, stream) => sum + stream.bytes, 0);
  if (bytes > hostLimits.finishToldBytes) log.info(`writing ${place.path}; if interrupted: ${again}`);
  const before = end.count;
  const progress = new FinishProgress(place.path, bytes);
  try {
    const writing = finishSpool(spool, files, format, metadata);
    for (;;) {
      const step = writing.next();
      if (step.done === true) return step.value;
      progress.add(step.value);
      await letEventsThrough();
      if (end.count === before) continue;
      // On its way out it takes the file away.
      writing.throw(new AgentError("io", `interrupted while writing "${place.path}"`));
    }
  } catch (error) {
    progress.clear();
    spool.close();
    if (trouble !== undefined) log.error(`${of}the recording ended early: ${trouble}`);
    if (!(error instanceof AgentError)) throw error;
    const isFull = ["ENOSPC", "EDQUOT", "EFBIG"].includes(errnoOf(error.cause) ?? "");
    const remedy = isFull ? roomRemedy(error, spool.path, of === "" ? undefined : again) : again;
    throw new AgentError(error.kind, `${error.message}; what was received is kept in ${spool.path}`, {
      ...(error.kind === "io" ? { remedy } : error.remedy === undefined ? {} : { remedy: error.remedy }),
      cause: error,
    });
  } finally {
    progress.clear();
  }
}

/** `again`: what makes the files of all machines, in the same place. */
function roomRemedy({ cause }: AgentError, spool: string, again: string | undefined): string {
  const elsewhere = `trace-agent recover ${spool} -o FILE`;
  const { remedy } = sizeRemedy(cause);
  if (again === undefined) return `${remedy ?? "make room, or use another disk"}: ${elsewhere}`;
  return `${remedy ?? "make room"}: ${again}; or, on another disk: ${elsewhere}`;
}
