/** The forms in which live events are shown. */

export const liveForms = ["text", "json"] as const;
export type LiveForm = (typeof liveForms)[number];
