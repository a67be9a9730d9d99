/** Names in paths. They come from guests and hosts: whatever they hold, each is one name, of a bounded length. */
import { parquetLimits } from "./limits.ts";

/** What stands for a name that is not known. */
const unknown = "unknown";
/** Of the hash by which long names with one beginning are told apart. */
const hashDigits = 8;

/** Letters, digits and a few signs; all else as %XX of its UTF-8, which DuckDB, Spark and Hive turn back. */
function escaped(text: string): string {
  return [...Buffer.from(text.toWellFormed(), "utf8")]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return /[\w.+@~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}

/** Cut where it is too long, with a hash of all of it; not within an escape. */
function bounded(text: string): string {
  const most = parquetLimits.pathNameBytes;
  if (text.length <= most) return text;
  const kept = text.slice(0, most - hashDigits - 1).replace(/%.?$/, "");
  return `${kept}~${Bun.hash(text).toString(16).padStart(hashDigits, "0").slice(-hashDigits)}`;
}

/** Of a folder of a partition: "guest=vm1". Windows drops a last dot. */
export function partitionName(key: "date" | "host" | "guest", value: string): string {
  return `${key}=${bounded(escaped(value === "" ? unknown : value)).replace(/\.$/, "%2E")}`;
}

/** "SESSION-001" of a session and the number of its recording; of a tracefs instance with its name behind. */
export function sessionFileStem({
  session,
  segment,
  buffer,
}: {
  session: string;
  segment: number;
  buffer: string;
}): string {
  const stem = `${escaped(session === "" ? unknown : session)}-${String(segment).padStart(3, "0")}`;
  // A name that begins with a dot or a line is hidden from readers.
  return bounded(buffer === "" ? stem : `${stem}+${escaped(buffer)}`).replace(/^[._]/, "x$&");
}

/** Names of devices on Windows: no folder can be called so there. */
const devices = /^(?:con|prn|aux|nul|com\d|lpt\d)$/i;

/** Of a table: an event's name has letters, digits, "_", and "." ":" "-", which not all engines take. */
export function tableName(event: string): string {
  return bounded(event.replaceAll(/\W/g, "_")).replace(/^_/, "x_").replace(devices, "x_$&");
}
