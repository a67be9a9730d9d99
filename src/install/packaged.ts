/** A copy of this program where packages put theirs: one in /usr/local/bin would come before it in PATH. */
import { join } from "node:path";
import type { ImageRoot } from "./image-root.ts";
import { programPath } from "./service-files.ts";

const folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
/** dpkg's lists of files by package. */
const listsFolder = "/var/lib/dpkg/info";

/** `owner`: the package of Debian that has it, if dpkg knows one. */
export type PackagedCopy = { path: string; owner: string | undefined };

export function packagedCopy(root: ImageRoot): PackagedCopy | undefined {
  const own = root.place(`${programPath}/.`);
  for (const folder of folders) {
    const path = `${folder}/trace-agent`;
    // A link to the installed program shadows nothing.
    if (root.exists(path) && root.place(`${path}/.`) !== own) return { path, owner: ownerOf(root, path) };
  }
  return undefined;
}

/** "/bin" may be a link to "/usr/bin" that dpkg's lists do not know. */
function ownerOf(root: ImageRoot, path: string): string | undefined {
  if (!root.exists(listsFolder)) return undefined;
  const names = new Set([path, path.replace(/^\/usr/, ""), `/usr${path.replace(/^\/usr/, "")}`]);
  const list = root
    .list(listsFolder)
    .filter((name) => name.endsWith(".list"))
    .find((name) =>
      root
        .read(join(listsFolder, name))
        .split("\n")
        .some((line) => names.has(line)),
    );
  return list?.replace(/(:[a-z0-9]+)?\.list$/, "");
}
