/** Sections of metadata, as an order names them: `metadata SECTION...` gives these and no more (metadata.ts has their form). */

/**
 * `formats:SYSTEM` may be a pattern with `*` and `?`; `formats` alone: of the systems that have an enabled event. Both bring the
 * small files that every decoder needs: header_page, header_event, trace_clock, current_tracer, buffer_size_kb.
 */
const plainSections = ["available_events", "formats", "kallsyms", "printk", "tasks", "stats", "filters"] as const;
type PlainSection = (typeof plainSections)[number];
export type Section = PlainSection | `formats:${string}`;

const formatsOf = /^formats:[\w*?-]{1,64}$/;

/** The section of this name; undefined where there is none. */
export function sectionOf(word: string): Section | undefined {
  return plainSections.find((known) => known === word) ?? (isFormatsOf(word) ? word : undefined);
}

/** The system of `formats:SYSTEM`, a name or a pattern; undefined for another section. */
export function systemOf(section: Section): string | undefined {
  return isFormatsOf(section) ? section.slice("formats:".length) : undefined;
}

function isFormatsOf(word: string): word is `formats:${string}` {
  return formatsOf.test(word);
}

/** For a person. */
export const knownSections = [...plainSections.slice(0, 2), "formats:SYSTEM", ...plainSections.slice(2)].join(", ");
