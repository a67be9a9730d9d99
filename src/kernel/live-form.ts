/** In which forms events are shown while they happen. */

export const liveForms = ["text", "json"] as const;
export type LiveForm = (typeof liveForms)[number];
