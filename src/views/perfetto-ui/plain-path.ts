/** Names of files that came with an archive. */
import { uiLimits } from "./limits.ts";

/** A relative path of plain names: none that leads elsewhere, on any system. */
export function isPlainPath(path: string): boolean {
  return (
    path.length <= uiLimits.nameChars &&
    !/[\\:\p{Cc}\ufffd]/u.test(path) &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}
