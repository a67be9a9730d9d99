import { afterAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { metaData, readUrl, userData } from "../../src/install/cloud-init.ts";
import { executable } from "../support/agent-process.ts";
import { copyDebianTree, treeFolder, whyNoDebianTree } from "../support/debian-tree.ts";
import { whyNoTools } from "../support/packages.ts";

const scratch = mkdtempSync(join(tmpdir(), "trace-agent-cloud-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function run(...args: string[]): { code: number; stdout: string; stderr: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([executable, "cloud-init", ...args]);
  return { code: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

/** The shell script of a printed document. */
function scriptOf(document: string): string {
  return document.slice(document.indexOf("    - |\n") + "    - |\n".length).replaceAll(/^ {6}/gm, "");
}

const trap = `${scratch}/trap`;
const urls = ["https://example.org/trace-agent", `http://10.0.0.1:8000/a%20b?x=1&y='; touch ${trap}; '#frag`];
/** `cloud-init schema` for each document, in one process: its start is most of the work. */
const schemaChecks = `
import sys
from cloudinit.cmd.main import main
for number in sys.argv[1:]:
    try:
        code = main(["cloud-init", "schema", "--config-file", f"/user-data-{number}"])
    except SystemExit as end:
        code = end.code
    print(f"{number}: {0 if code in (None, 0) else 1}", flush=True)
`;
/** Given, since to make that of the executable takes a while. */
const sum = "0".repeat(64);
const own = readFileSync(executable);
const ownSum = createHash("sha256").update(own).digest("hex");
const noTree = await whyNoDebianTree();
if (noTree !== undefined) console.log(`skipped: cloud-init's own check of user-data: ${noTree}`);

describe("user-data", () => {
  test.skipIf(noTree !== undefined)(
    "is accepted by cloud-init's own schema check, with each kind of source",
    async () => {
      const folder = treeFolder();
      const tree = join(folder, "tree");
      await copyDebianTree(tree);
      const [, odd = ""] = urls;
      const documents = [run("--url", odd, "--sha256", sum).stdout, userData({ from: "seed" }, sum)];
      for (const [index, document] of documents.entries()) writeFileSync(join(tree, `user-data-${index}`), document);
      // The check can refuse.
      writeFileSync(join(tree, "user-data-2"), "#cloud-config\nruncmd: 5\n");
      const checked = Bun.spawnSync(["chroot", tree, "python3", "-c", schemaChecks, "0", "1", "2"]);
      const said = `${checked.stdout.toString()}${checked.stderr.toString()}`;
      expect(said).toMatch(
        /^Valid cloud-config: \/user-data-0\n0: 0\nValid cloud-config: \/user-data-1\n1: 0\n[^]*^2: 1$/m,
      );
      rmSync(folder, { recursive: true });
    },
    300_000,
  );

  test("names this executable by its SHA-256, or the one that was given", () => {
    expect(run("--url", urls[0] ?? "").stdout).toContain(`echo "${ownSum}  $new" | sha256sum -c -`);
    const given = run("--url", urls[0] ?? "", "--sha256", "A".repeat(64)).stdout;
    expect(given).toContain("a".repeat(64));
    expect(given.length).toBeLessThan(16 * 1024);
  });

  test("installs what it fetched only when the sum is right, and runs nothing else", () => {
    const root = mkdtempSync(join(scratch, "root-"));
    const bin = join(root, "bin");
    mkdirSync(bin);
    const program = '#!/bin/sh\necho "$0 $*"\n';
    const tool = (name: string, text: string): void => {
      writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
      chmodSync(join(bin, name), 0o755);
    };
    writeFileSync(join(root, "served"), program);
    tool("curl", `[ "$6" = "${readUrl(urls[1] ?? "").replaceAll("$", "\\$")}" ] || exit 3\ncp ${root}/served "$5"`);
    const right = createHash("sha256").update(program).digest("hex");
    const play = (digest: string): { code: number; stdout: string } => {
      const script = scriptOf(userData({ from: "url", url: readUrl(urls[1] ?? "") }, digest)).replaceAll(
        "/usr/local/bin",
        `${root}/local`,
      );
      const { exitCode, stdout } = Bun.spawnSync(["/bin/sh", "-ec", script], {
        env: { PATH: `${bin}:${process.env["PATH"]}` },
      });
      return { code: exitCode, stdout: stdout.toString() };
    };
    expect(play(sum).code).not.toBe(0);
    expect(readdirSync(join(root, "local"))).toEqual([]);
    expect(play(right)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`${root}/local/.trace-agent.new install`),
    });
    expect(readdirSync(join(root, "local"))).toEqual([]);
    expect(existsSync(trap)).toBe(false);
  });

  test("is refused for what is no URL of a web server, and needs one source", () => {
    for (const url of ["trace-agent", "file:///etc/passwd", "ftp://x/y"])
      expect(run("--url", url)).toMatchObject({ code: 64, stdout: "" });
    expect(run().stderr).toContain("give one of --url and --seed");
    expect(run("--url", urls[0] ?? "", "--seed", "x.iso").code).toBe(64);
    expect(run("--url", urls[0] ?? "", "--sha256", "abc").code).toBe(64);
    expect(run("--seed", join(scratch, "none/x.iso"))).toMatchObject({ code: 74 });
  });
});

const noIso = await whyNoTools("genisoimage");
if (noIso !== undefined) console.log(`skipped: the seed image: ${noIso}`);

describe.skipIf(noIso !== undefined)("the seed image", () => {
  test("holds user-data, meta-data and this executable under the names that cloud-init and the guest look for", () => {
    const image = join(scratch, "seed.iso");
    expect(run("--seed", image)).toMatchObject({ code: 0, stdout: "" });
    const isoinfo = (...args: string[]): Buffer =>
      Buffer.from(Bun.spawnSync(["isoinfo", "-i", image, "-R", ...args]).stdout);
    expect(isoinfo("-d").toString()).toContain("Volume id: cidata");
    expect(isoinfo("-f").toString().trim().split("\n").sort()).toEqual(["/meta-data", "/trace-agent", "/user-data"]);
    expect(isoinfo("-x", "/user-data").toString()).toBe(userData({ from: "seed" }, ownSum));
    expect(isoinfo("-x", "/meta-data").toString()).toBe(metaData(ownSum));
    expect(isoinfo("-x", "/trace-agent").equals(own)).toBe(true);
    expect(readdirSync(scratch).filter((name) => name.startsWith(".seed"))).toEqual([]);
  });
});
