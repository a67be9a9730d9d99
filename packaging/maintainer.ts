/** Who stands behind a package: DEBFULLNAME and DEBEMAIL, as Debian's own tools take it; else what the project says. */
import { BuildError } from "../ffi/static/build-error.ts";
import { run } from "../ffi/static/run.ts";

/** "NAME <ADDRESS>". `author`: package.json's, where it has one; else the author of the newest commit. */
export function maintainerOf(folder: string, author: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  const { DEBFULLNAME: name, DEBEMAIL: address } = env;
  const told = name !== undefined && address !== undefined ? `${name} <${address}>` : (author ?? lastAuthor(folder));
  if (told !== undefined && /^[^<>\n]+ <[^<>@\s]+@[^<>@\s]+>$/.test(told)) return told;
  throw new BuildError(
    `cannot tell the maintainer of the package${told === undefined ? "" : `: "${told}" is no name with an address`}`,
    "set DEBFULLNAME and DEBEMAIL, or author in package.json",
  );
}

function lastAuthor(folder: string): string | undefined {
  try {
    return run(["git", "-C", folder, "log", "-1", "--format=%an <%ae>"]).trim();
  } catch (error) {
    if (error instanceof BuildError) return undefined;
    throw error;
  }
}
