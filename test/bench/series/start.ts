/** From exec to armed. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { runChild } from "../support/child.ts";
import { Rig } from "../support/rig.ts";
import type { Series } from "../support/series.ts";

export const start: Series = {
  name: "start",
  title: "from exec to armed",
  guest: false,
  skipReason: reasonWithoutTracefs,
  run: async (context) => {
    const rig = new Rig("start");
    const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
    const program = join(folder, "trace-agent");
    const once = async (): Promise<number> => {
      const begin = performance.now();
      await rig.startAgent("ours", undefined, 0, program);
      const time = performance.now() - begin;
      await rig.endAgent();
      return time;
    };
    const warm: number[] = [];
    const cold: number[] = [];
    try {
      copyFileSync(agentExecutable, program);
      await once();
      for (let run = 0; run < (context.tiny ? 1 : 2 * context.pairs); run++) warm.push(await once());
      for (let run = 0; run < (context.tiny ? 0 : context.pairs); run++) {
        // Writes nothing; drops the file's pages from the cache.
        await runChild(["dd", `of=${program}`, "oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"]);
        cold.push(await once());
      }
      return {
        figures: [
          { name: "warm", unit: "ms", ours: warm, reach: { value: 50, is: "most" } },
          ...(cold.length > 0 ? [{ name: "cold", unit: "ms", ours: cold }] : []),
        ],
        notes: [`${rig.cpus.length} CPUs; cold: no page of the executable in memory`],
      };
    } finally {
      await rig.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
