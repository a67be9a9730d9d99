/** The packages for Debian: made twice, judged by lintian, installed, upgraded and removed in a Debian tree. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostMachine, targets } from "../../ffi/static/targets.ts";
import { writeDebianPackage } from "../../packaging/debian-package.ts";
import { maintainerOf } from "../../packaging/maintainer.ts";
import { writeShareFiles } from "../../packaging/share-files.ts";
import { executable } from "../support/agent-process.ts";
import { copyDebianTree, treeFolder, whyNoDebianTree } from "../support/debian-tree.ts";
import { isLong } from "../support/long.ts";
import { whyNoTools } from "../support/packages.ts";
import { testUnless } from "../support/test-unless.ts";

const scratch = mkdtempSync(join(tmpdir(), "trace-agent-deb-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const own = targets[hostMachine() ?? "x64"].debian;
const other = own === "amd64" ? "arm64" : "amd64";

/** It stands for the executable, which is large, where nothing runs it. */
const standIn = join(scratch, "stand-in");
writeFileSync(standIn, "#!/bin/sh\n");

function wholeShare(): string {
  const share = join(scratch, "share");
  if (!existsSync(share)) writeShareFiles(executable, share);
  return share;
}

/** Without the pages of the commands: lintian has each set by groff, as test/cli/help.test.ts has it by man. */
function shareOfOnePage(folder: string): string {
  const share = join(folder, "share");
  cpSync(wholeShare(), share, { recursive: true });
  for (const name of readdirSync(join(share, "man/man1")))
    if (name !== "trace-agent.1" && name !== "trace-agent-record.1") rmSync(join(share, "man/man1", name));
  return share;
}

/** The same for each machine: what differs is one line. */
function make(
  version: string,
  { program = standIn, architecture = own, folder = scratch, compressed = false, share = wholeShare() } = {},
): string {
  const text = { license: readFileSync("LICENSE", "utf8"), changelog: readFileSync("CHANGELOG.md", "utf8") };
  const maintainer = "Some Maintainer <someone@trace-agent.org>";
  return writeDebianPackage(
    { executable: program, share, version, architecture, maintainer, ...text, compressed },
    folder,
  );
}

function run(...words: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(words, { env: { ...process.env, LC_ALL: "C" } });
  const said = `${stdout.toString()}${stderr.toString()}`;
  if (exitCode !== 0) throw new Error(`${words.join(" ")}: exit code ${exitCode}\n${said}`);
  return said;
}

describe("a .deb", () => {
  test("has the same bytes each time, and what it should, for each machine", () => {
    const [first, second] = [make("1.0"), make("1.0", { folder: mkdtempSync(join(scratch, "again-")) })];
    expect(readFileSync(first).equals(readFileSync(second))).toBe(true);
    for (const architecture of [own, other]) {
      const deb = make("1.0", { architecture });
      expect(run("dpkg-deb", "--field", deb, "Architecture")).toBe(`${architecture}\n`);
      expect(run("dpkg-deb", "--field", deb, "Maintainer")).toBe("Some Maintainer <someone@trace-agent.org>\n");
      const contents = run("dpkg-deb", "--contents", deb);
      for (const line of [
        /^-rwxr-xr-x (root\/root|0\/0) .* \.\/usr\/bin\/trace-agent$/m,
        /^-rw-r--r-- (root\/root|0\/0) .* \.\/usr\/lib\/systemd\/system\/trace-agent\.service$/m,
        /\.\/usr\/share\/man\/man1\/trace-agent\.1\.gz$/m,
        /\.\/usr\/share\/man\/man1\/trace-agent-record\.1\.gz$/m,
        /\.\/usr\/share\/bash-completion\/completions\/trace-agent$/m,
        /\.\/usr\/share\/zsh\/vendor-completions\/_trace-agent$/m,
        /\.\/usr\/share\/fish\/vendor_completions\.d\/trace-agent\.fish$/m,
      ])
        expect(contents).toMatch(line);
      const unpacked = join(scratch, architecture);
      run("dpkg-deb", "--raw-extract", deb, unpacked);
      run("sh", "-c", 'cd "$1" && md5sum --quiet -c DEBIAN/md5sums', "sh", unpacked);
      expect(run("sha256sum", join(unpacked, "usr/bin/trace-agent")).slice(0, 64)).toBe(
        run("sha256sum", standIn).slice(0, 64),
      );
      rmSync(unpacked, { recursive: true });
    }
  });
});

test("the maintainer is told by Debian's variables, else by package.json, else by the newest commit, and never made up", () => {
  const env = { DEBFULLNAME: "A B", DEBEMAIL: "a@b.org" };
  expect(maintainerOf(".", "C <c@d.org>", env)).toBe("A B <a@b.org>");
  expect(maintainerOf(".", "C <c@d.org>", {})).toBe("C <c@d.org>");
  const fresh = join(scratch, "repository");
  const git = (...words: string[]): string =>
    run("git", "-C", fresh, "-c", "user.name=E F", "-c", "user.email=e@f.org", ...words);
  mkdirSync(fresh);
  git("init", "-q");
  expect(() => maintainerOf(fresh, undefined, {})).toThrow("cannot tell the maintainer of the package");
  git("commit", "-q", "--allow-empty", "-m", "x");
  expect(maintainerOf(fresh, undefined, {})).toBe("E F <e@f.org>");
  expect(() => maintainerOf(".", "nobody", {})).toThrow('"nobody" is no name with an address');
});

testUnless(await whyNoTools("lintian"), "lintian has nothing to say of the package but what it overrides", () => {
  // It reads the executable for half a minute, and each man page for half a second.
  const program = isLong ? executable : standIn;
  const folder = mkdtempSync(join(scratch, "lintian-"));
  const deb = make("1.0", { program, folder, compressed: true, share: isLong ? wholeShare() : shareOfOnePage(folder) });
  // It leaves some of its files.
  const said = run("env", `TMPDIR=${folder}`, "lintian", "--fail-on", "none", "--tag-display-limit", "0", deb);
  expect(said.split("\n").filter((line) => /^[EW]: /.test(line))).toEqual([]);
});

const noTree = await whyNoDebianTree();
describe("in a Debian tree", () => {
  let tree = "";
  let folder = "";
  beforeAll(async () => {
    if (noTree !== undefined) return;
    folder = treeFolder();
    tree = join(folder, "tree");
    await copyDebianTree(tree);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** In a mount namespace: what is mounted there ends with the command. */
  const inside = (...words: string[]): string =>
    run("unshare", "--mount", "sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', tree, ...words);
  const put = (deb: string): void => void run("cp", deb, join(tree, "trace-agent.deb"));

  testUnless(noTree, "is installed without being enabled, upgraded, removed and purged", () => {
    put(make("1.0", { program: executable }));
    inside("dpkg", "-i", "/trace-agent.deb");
    expect(inside("/usr/bin/trace-agent", "version")).toStartWith("trace-agent ");
    expect(inside("dpkg-query", "-W", "-f", "${Status} ${Version}", "trace-agent")).toBe("install ok installed 1.0");
    expect(inside("sh", "-c", "systemctl is-enabled trace-agent.service || true")).toBe("disabled\n");
    expect(inside("sh", "-c", "systemd-analyze verify trace-agent.service 2>&1 | grep trace-agent || true")).toBe("");
    expect(() => inside("/usr/bin/trace-agent", "install")).toThrow(/is there, of package "trace-agent"/);

    inside("systemctl", "enable", "trace-agent.service");
    put(make("1.1"));
    inside("dpkg", "-i", "/trace-agent.deb");
    expect(inside("dpkg-query", "-W", "-f", "${Version}", "trace-agent")).toBe("1.1");
    expect(inside("systemctl", "is-enabled", "trace-agent.service")).toBe("enabled\n");

    inside("dpkg", "--remove", "trace-agent");
    expect(existsSync(join(tree, "usr/bin/trace-agent"))).toBe(false);
    inside("dpkg", "--purge", "trace-agent");
    expect(inside("sh", "-c", "find / -xdev -name '*trace-agent*' ! -name trace-agent.deb -not -path '/proc/*'")).toBe(
      "",
    );
    expect(inside("dpkg", "--audit")).toBe("");
  });
});
