/**
 * The one change to glibc's loader: it opens no /etc/ld.so.preload.
 *
 * That file belongs to the image's own programs: a library built for another libc would end this one, and what it loads
 * would run inside a daemon of root. The loader has no switch for it, so the path in its read-only data becomes the
 * empty string, which names no file.
 */
import { BuildError } from "./build-error.ts";

const preloadPath = "/etc/ld.so.preload\0";

export function withoutPreloadFile(loader: Uint8Array): Uint8Array {
  const path = Buffer.from(preloadPath, "latin1");
  const at = Buffer.from(loader.buffer, loader.byteOffset, loader.length).indexOf(path);
  const again = Buffer.from(loader.buffer, loader.byteOffset, loader.length).indexOf(path, at + 1);
  if (at < 0 || again >= 0) {
    throw new BuildError(
      `cannot use this loader: expected the text "/etc/ld.so.preload" once, found it ${at < 0 ? "nowhere" : "twice"}`,
      "build with glibc 2.34 to 2.41, or adapt ffi/static/loader.ts",
    );
  }
  return loader.slice().fill(0, at, at + path.length);
}
