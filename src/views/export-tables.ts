/** `trace-agent export --parquet`: recordings as tables below a directory. */
import { placeError } from "../base/directory.ts";
import { errnoOf } from "../base/errors.ts";
import type { OutputRequest } from "../base/output-place.ts";
import { openRecordings } from "../trace-dat/open-recording.ts";
import type { PartSelection } from "../trace-dat/parts.ts";
import { ExportProgress } from "./export-progress.ts";
import { type Exported, judged, tell } from "./export.ts";
import { finishExport } from "./exporter.ts";
import { openTables } from "./parquet/folders.ts";
import { parquetExporter } from "./parquet/parquet-exporter.ts";
import type { GivenNames } from "./recorded-names.ts";

/** Throws an AgentError. The recordings that were done by then have their files. */
export async function exportTables(request: {
  paths: readonly string[];
  chosen?: PartSelection;
  output: OutputRequest;
  names: GivenNames;
}): Promise<Omit<Exported, "streamed">> {
  const { paths, chosen, output, names } = request;
  const recordings = await openRecordings(paths, chosen, { apart: true });
  const progress = new ExportProgress();
  try {
    const directory = openTables(output.path, output.group, output.inputs);
    try {
      const parts = progress.watch(recordings.parts);
      const exporting = parquetExporter.begin(parts, directory, { ...names, group: output.group });
      const result = finishExport(exporting, () => progress.show());
      tell(result, progress);
      return { ...judged(result, recordings), name: directory.path };
    } catch (error) {
      directory.removeMade();
      throw error;
    } finally {
      directory.close();
    }
  } catch (error) {
    throw errnoOf(error) === undefined ? error : placeError(paths.join('", "'), "read", error);
  } finally {
    progress.clear();
    recordings.close();
  }
}
