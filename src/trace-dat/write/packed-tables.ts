/** The tables of segments: packed in another thread, and held once for machines that have the same. */
import { sha256 } from "../../base/sha256.ts";
import type { Metadata } from "../../events/trace-metadata.ts";
import { SectionId } from "../format.ts";
import { traceDatLimits } from "../limits.ts";
import { describingSections, type Section, wholeBody } from "./sections.ts";
import type { PackedSection } from "./v7-sections.ts";

/** By what they hold. */
const held = new Map<string, WeakRef<PackedSection>>();

/** Of all but task names, which each segment has its own of. */
export async function packTables(metadata: Metadata): Promise<readonly PackedSection[]> {
  const packed: PackedSection[] = [];
  for (const section of describingSections({ ...metadata, savedCommands: "" })) packed.push(await packOnce(section));
  return packed;
}

async function packOnce(section: Section): Promise<PackedSection> {
  // Addresses differ even between boots of one kernel.
  if (section.id === SectionId.kallsyms) return pack(section);
  const key = `${section.id} ${sha256(wholeBody(section))}`;
  const known = held.get(key)?.deref();
  if (known !== undefined) return known;
  for (const [other, reference] of held) if (reference.deref() === undefined) held.delete(other);
  const fresh = await pack(section);
  held.set(key, new WeakRef(fresh));
  return fresh;
}

async function pack(section: Section): Promise<PackedSection> {
  const body = wholeBody(section);
  const { id, name } = section;
  return {
    id,
    name,
    packed: await Bun.zstdCompress(body, { level: traceDatLimits.tablesZstdLevel }),
    bytes: body.length,
  };
}
