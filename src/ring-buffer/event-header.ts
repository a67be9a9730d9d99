/** The lowest five bits of an event's header, type_len (sub-buffer.ts has the layout). */
export const typeMask = 31;

/** Values that do not give the length of the data. */
export const typeLong = 0;
export const typePadding = 29;
export const typeTimeExtend = 30;
export const typeTimeStamp = 31;
