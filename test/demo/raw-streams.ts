/** The round trip that the kernel's own agent knows: order start, read the data ports, order stop; with echo and cat, so to say. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { countEvents } from "../../src/ring-buffer/event-count.ts";
import { HostEnds } from "../support/host-ends.ts";
import { detail, progress, size, step, table } from "./terminal.ts";
import type { World } from "./world.ts";

/** Reads for so long, writes DIR/cpuN.raw and shows what they hold. Throws when a CPU gave nothing. */
export async function readRawStreams(world: World, seconds: number, target: string): Promise<void> {
  step(`On the host: start order, ${seconds} seconds of reading, stop order`);
  using ends = new HostEnds(world, { cpus: world.cpus });
  const total = (): number => ends.readers.reduce((sum, reader) => sum + reader.length, 0);
  detail(`$ echo 1 > ${world.directory}/agent-ctl-path.in`);
  ends.order("1\n");
  await progress(seconds, () => `${size(total())} read`);
  detail(`$ echo 0 > ${world.directory}/agent-ctl-path.in`);
  ends.order("0\n");
  await ends.silence();

  const rows = [["CPU", "bytes", "sub-buffers", "events", "lost events", "raw stream"]];
  const silent: number[] = [];
  for (const cpu of world.cpus) {
    const stream = ends.reader(cpu).take();
    const file = join(target, `cpu${cpu}.raw`);
    writeFileSync(file, stream);
    const { subBuffers, events, lostEvents, unknownLosses } = countEvents(stream, world.layout);
    const lost = unknownLosses > 0 ? `${lostEvents} and more` : `${lostEvents}`;
    rows.push([`${cpu}`, size(stream.length), `${subBuffers}`, `${events}`, lost, file]);
    if (events === 0) silent.push(cpu);
  }
  detail(table(rows));
  if (silent.length > 0) throw new Error(`CPUs ${silent.join(", ")} gave no event`);
}
