/** Opens an entry of --ports DIR, a directory that others may write: links of others are not followed. */
import { locate } from "../base/locate.ts";

export function openInDirectory(path: string, flags: number): number {
  const { directory, name } = locate(path, "open");
  try {
    return directory.open(name, flags, 0o600);
  } finally {
    directory.close();
  }
}
