/** Packages of a Debian release that is not this machine's: apt gets lists of its own, nothing of the system changes. */
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../ffi/static/cache.ts";
import { apt, command } from "./packages.ts";

/** Lists of this age may name versions that are gone. */
const listsAgeMaxMs = 24 * 3600 * 1000;

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Settings with which apt knows the packages of the release. Throws an Error that says why it cannot. */
export async function releaseSettings(release: string): Promise<string[]> {
  const folder = join(cacheFolder("guest"), `apt-${release}`);
  const lists = join(folder, "lists");
  const cache = join(folder, "cache");
  const sources = join(folder, "sources.list");
  const settings = {
    "Dir::State::Lists": lists,
    "Dir::Etc::SourceList": sources,
    "Dir::Etc::SourceParts": "-",
    "Dir::Cache": cache,
    "Acquire::Languages": "none",
  };
  const words = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  const fetched = join(folder, "fetched");
  if (existsSync(fetched) && Date.now() - statSync(fetched).mtimeMs < listsAgeMaxMs) return words;
  mkdirSync(join(lists, "partial"), { recursive: true });
  mkdirSync(join(cache, "archives/partial"), { recursive: true });
  const lines = await sourcesOf(release);
  writeFileSync(sources, lines.join(""));
  process.stderr.write(`apt-get update for Debian's ${release}\n`);
  await apt([...words, "update"]);
  writeFileSync(fetched, "");
  return words;
}

/** The places from which this machine has its own Debian, for another release. */
async function sourcesOf(release: string): Promise<string[]> {
  const text = await command(["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]);
  const options = existsSync(keyring) ? `[signed-by=${keyring}] ` : "";
  const lines = text.split("\n").map((line) => {
    const [, label, uri] = /^(Debian|Debian-Security) (\S+)$/.exec(line) ?? [];
    if (label === undefined) return "";
    return `deb ${options}${uri} ${release}${label === "Debian" ? "" : "-security"} main\n`;
  });
  const sources = [...new Set(lines)].filter((line) => line !== "");
  if (sources.length === 0) throw new Error("apt's lists name no source of Debian; run apt-get update");
  return sources;
}
