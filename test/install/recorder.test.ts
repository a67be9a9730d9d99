/** The service of a host's recorder, in an image's tree. */
import { afterAll, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readRecordConfig } from "../../src/cli/record-config.ts";
import { ImageRoot } from "../../src/install/image-root.ts";
import { install, uninstall } from "../../src/install/install.ts";
import { recorderConfigPath, recorderUnit } from "../../src/install/recorder-service.ts";

const scratch = mkdtempSync(join(tmpdir(), "trace-agent-recorder-"));
const program = join(scratch, "program");
let tree = "";

beforeEach(() => {
  tree = mkdtempSync(join(scratch, "tree-"));
  // By the text that the executable carries it is taken for this program.
  writeFileSync(program, '\x7fELF, written by "trace-agent install"');
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("the recorder of a host: its unit and what it records, which is left where it was changed", () => {
  const root = new ImageRoot(tree);
  const made = install(root, "systemd", program, { recorder: true });
  expect(made.map(({ path }) => path)).toContain(`/etc/systemd/system/multi-user.target.wants/${recorderUnit}`);
  expect(
    uninstall(root)
      .map(({ path }) => path)
      .sort(),
  ).toEqual(made.map(({ path }) => path).sort());
  const left = readdirSync(tree, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory());
  expect({ left, config: existsSync(join(tree, "etc/trace-agent")) }).toEqual({ left: [], config: false });

  install(root, "systemd", program, { recorder: true });
  const config = join(tree, recorderConfigPath);
  writeFileSync(config, readFileSync(config, "latin1").replace("all = true", "all = false"));
  const again = install(root, "systemd", program, { recorder: true });
  expect(again.filter(({ outcome }) => outcome !== "unchanged")).toEqual([
    { path: recorderConfigPath, outcome: "left" },
  ]);
  expect(uninstall(root).filter(({ outcome }) => outcome === "left")).toEqual([
    { path: recorderConfigPath, outcome: "left", ownership: "changed" },
  ]);
});

test("the recorder's unit is started again however often it failed, as while a disk is full", () => {
  install(new ImageRoot(tree), "systemd", program, { recorder: true });
  const unit = readFileSync(join(tree, "etc/systemd/system", recorderUnit), "latin1");
  expect(unit).toMatch(/^StartLimitIntervalSec=0$/m);
  expect(unit).toMatch(/^Restart=on-failure$/m);
  // A file that cannot be used is somebody's to change.
  expect(unit).toMatch(/^RestartPreventExitStatus=64 /m);
  // The runtime takes SIGABRT for a fault of its own, and tells of that.
  expect(unit).toMatch(/^WatchdogSignal=SIGKILL$/m);
});

test("the recorder's file says what the command takes", () => {
  install(new ImageRoot(tree), "systemd", program, { recorder: true });
  expect(readRecordConfig(join(tree, recorderConfigPath)).config).toMatchObject({
    all: true,
    join: true,
    rotate: "1G",
  });
});

test("so does the example of the operators' page", () => {
  const page = readFileSync(join(import.meta.dir, "../../src/host/README.md"), "utf8");
  const path = join(scratch, "page.toml");
  writeFileSync(path, /```toml\n(.*?)```/s.exec(page)?.[1] ?? "");
  expect(readRecordConfig(path).config).toMatchObject({ "max-memory": "256M", machines: { vm1: { clock: "mono" } } });
});
