/** Names of files that are not whole yet. */
import { baseLimits } from "./limits.ts";

/** Nobody can have made a file of that name, and nobody can predict it. */
export function temporaryName(name: string): string {
  const random = Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString("hex");
  const room = baseLimits.nameBytes - random.length - 6;
  return `.${Buffer.from(name)
    .subarray(0, room)
    .toString("latin1")
    .replaceAll(/[^\w.-]/g, "_")}.${random}.tmp`;
}
