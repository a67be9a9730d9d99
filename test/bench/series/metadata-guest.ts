/**
 * What telling its metadata costs an agent in an emulated guest, where its own work takes several times as long beside the kernel's: for
 * the first recording with sched events, for a second one, and all of it as in protocol 1.
 */
import { whyNoGuest } from "../../support/guest.ts";
import { HostEnds } from "../../support/host-ends.ts";
import { GuestRig, tinyGuestMb } from "../support/guest-rig.ts";
import { allMetadataOrders, metadataOrders, tellMetadata } from "../support/metadata-body.ts";
import type { Figure, Series } from "../support/series.ts";

const { formats, symbols, atEnd } = metadataOrders;

export const metadataInGuest: Series = {
  name: "metadata-guest",
  title: "the same in an emulated guest",
  guest: true,
  skipReason: async () => whyNoGuest("6.12"),
  run: async (context) => {
    const rig = await GuestRig.boot(undefined, "fifo", context.tiny ? tinyGuestMb : 1024);
    const told = { first: [] as number[], second: [] as number[], all: [] as number[] };
    const ends = new HostEnds(rig.guest, { cpus: [] });
    const tell = async (orders: readonly string[]): Promise<number> => {
      const before = await rig.agentCpuNs();
      for (const order of orders) await tellMetadata(ends, undefined, order);
      return ((await rig.agentCpuNs()) - before) / 1e6;
    };
    try {
      for (let pair = 0; pair < Math.min(context.pairs, 5); pair++) {
        for (const inSections of pair % 2 === 0 ? [true, false] : [false, true]) {
          await rig.startAgent("ours", !context.tiny);
          await ends.ask("hello bench", "hello");
          await ends.ask("host 3", "host");
          if (inSections) {
            told.first.push(await tell([formats, symbols, atEnd]));
            told.second.push(await tell([formats, atEnd]));
          }
          if (context.tiny || !inSections) told.all.push(await tell(allMetadataOrders));
          await rig.endAgent();
          if (context.tiny) break;
        }
      }
    } finally {
      ends.close();
      await rig.close();
    }
    const figure = (name: string, ours: number[]): Figure => ({
      name: `${name}: CPU`,
      unit: "ms",
      ours,
      peer: { name: "all of it", values: told.all },
      reach: { ratio: 0.1, is: "most" },
    });
    return {
      figures: [figure("first recording", told.first), figure("second recording", told.second)],
      notes: [
        "orders as in the series metadata; each agent is new; all of it: as in protocol 1, packed, before and after",
      ],
    };
  },
};
