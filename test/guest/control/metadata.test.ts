import { describe, expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import { collectMetadata, metadataFiles, metadataHead } from "../../../src/guest/control/metadata.ts";
import { packedMetadata } from "../../../src/guest/control/packed-metadata.ts";
import type { MetadataBody } from "../../../src/protocol/metadata.ts";
import { readMetadata } from "../../../src/trace-dat/spool/metadata-read.ts";
import { parseUname } from "../../../src/views/perfetto/packets.ts";
import { whileSymbolsStay } from "../../support/kernel-symbols.ts";
import { reasonWithoutTracefs, TracefsInstance } from "../../support/tracefs.ts";

const reason = reasonWithoutTracefs();
if (reason !== undefined) console.error(`skipped: metadata of this machine: ${reason}`);

describe.skipIf(reason !== undefined)("packed metadata", () => {
  test("hold what is collected, file by file, and all of kallsyms", async () => {
    const instance = new TracefsInstance("metadata");
    try {
      const { symbols, value } = await whileSymbolsStay(async () => ({
        packed: await packedMetadata(instance.path),
        collected: collectMetadata(instance.path),
      }));
      const { packed, collected } = value;
      const { files, missing, ...head } = JSON.parse(gunzipSync(packed).toString()) as MetadataBody;
      // The names of tasks and the counts of CPUs change from one reading to the next.
      const changing = { savedCommands: "", savedTgids: "", cpuStats: [] };
      expect({ ...readMetadata(packed, "this machine"), ...changing }).toEqual({ ...collected, ...changing });
      expect(head).toEqual({ ...metadataHead(instance.path), version: 1 });
      expect(missing).toEqual({ ...collected.missing });
      const names = [...metadataFiles(instance.path)].flatMap((file) =>
        "pieces" in file && [...file.pieces].length > 0 ? [file.name] : [],
      );
      expect(Object.keys(files)).toEqual(names);
      if (files["kallsyms"] !== undefined) expect(files["kallsyms"]).toBe(symbols.toString("latin1"));
      expect(names.filter((name) => name.startsWith("events/ftrace/")).length).toBeGreaterThan(5);
    } finally {
      await instance.remove();
    }
  });

  test("name the node as uname does, by which a fleet's exports are told apart", async () => {
    const instance = new TracefsInstance("metadata");
    try {
      const { uname } = metadataHead(instance.path);
      const said = (...words: string[]): string =>
        Bun.spawnSync(["uname", ...words])
          .stdout.toString()
          .trim();
      const node = said("-n");
      expect(uname).toBe(said("-s", ...(node === "(none)" ? [] : ["-n"]), "-r", "-v", "-m"));
      expect(parseUname(uname)).toMatchObject({ nodename: node === "(none)" ? "" : node, release: said("-r") });
    } finally {
      await instance.remove();
    }
  });

  test("are given up when nobody wants them any more", async () => {
    const abort = new AbortController();
    const outcome = packedMetadata("/sys/kernel/tracing", abort.signal).catch((error: unknown) => error);
    // It has begun, and looks again when it has gone on for a while.
    abort.abort();
    expect(await outcome).toMatchObject({ name: "AbortError" });
  });
});
