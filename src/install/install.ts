/** Installs the program and its service into a system or an image's tree, and removes them. Both can be repeated. */
import { AgentError } from "../base/errors.ts";
import { dracut, initramfsTools } from "./early-boot.ts";
import type { ImageRoot, Outcome } from "./image-root.ts";
import { type InitName, initNames, serviceFiles } from "./init.ts";
import { isOwnProgram, marked, type Ownership, ownershipOf } from "./ownership.ts";
import { recorderService } from "./recorder-service.ts";
import { forgetService, startRecorder, startService, stopRecorder, stopService } from "./running-init.ts";
import { packagedCopy } from "./packaged.ts";
import { programPath, type ServiceFiles } from "./service-files.ts";
import { systemdEarly } from "./systemd.ts";
import { addWord, removeWord } from "./word-in-line.ts";

/** "left": it was changed by hand since it was installed, or is not ours. */
export type Installed = { path: string; outcome: Outcome | "left" };
export type Uninstalled = { path: string; outcome: "removed" | "left"; ownership: Ownership };

export type InstallOptions = {
  /** The tool that makes the image's initramfs, for an agent in it. */
  early?: readonly ServiceFiles[];
  /** Also replace files that are not ours, or were changed. */
  force?: boolean;
  /** A host's recorder instead of a guest's agent; only systemd has it. */
  recorder?: boolean;
};

/** Throws before anything is done if another program, or a foreign file, has one of our names. */
export function install(
  root: ImageRoot,
  init: InitName,
  program: string,
  { early = [], force = false, recorder = false }: InstallOptions = {},
): Installed[] {
  const service = recorder ? recorderService : serviceFiles(init, root);
  const wanted = [service, ...early];
  const files = wanted.flatMap((set) => set.files);
  const links = wanted.flatMap((set) => set.links);
  const words = wanted.flatMap((set) => set.words ?? []);
  if (!force) {
    refusePackaged(root);
    refuseForeign(root, files, links);
  }
  const done: Installed[] = [
    { path: programPath, outcome: root.copy(programPath, program, 0o755) },
    ...files.map(({ path, content, mode }): Installed => {
      if (!force && fileOwnership(root, path) === "changed") return { path, outcome: "left" };
      return { path, outcome: root.write(path, marked(content), mode) };
    }),
    ...links.map(({ path, target }) => ({ path, outcome: root.link(path, target) })),
    ...words.map((place) => ({ path: place.path, outcome: addWord(root, place) })),
  ];
  const changed = done.some(({ outcome }) => outcome === "changed");
  if (root.isRunningSystem && recorder) startRecorder(changed);
  else if (root.isRunningSystem) startService(init, service.script, changed);
  return done;
}

/** A package's upgrades would change a copy that nobody runs any more. */
function refusePackaged(root: ImageRoot): void {
  const copy = packagedCopy(root);
  if (copy === undefined) return;
  const { path, owner } = copy;
  const whose = owner === undefined ? "" : `, of package "${owner}"`;
  throw new AgentError(
    "unavailable",
    `cannot install: "${path}" is there${whose}, and ${programPath} would come before it`,
    {
      remedy:
        owner === undefined
          ? "remove it first, or install all the same with --force"
          : `its service is enabled by: systemctl enable --now trace-agent; or remove the package first`,
    },
  );
}

function refuseForeign(root: ImageRoot, files: ServiceFiles["files"], links: ServiceFiles["links"]): void {
  const refuse = (path: string, what: string): never => {
    throw new AgentError("unavailable", `cannot install: "${path}" is there, and ${what}`, {
      remedy: "move it away, or replace it with --force",
    });
  };
  if (programOwnership(root) === "foreign")
    refuse(programPath, "another program (the kernel's agent has that name too)");
  for (const { path } of files) {
    if (fileOwnership(root, path) === "foreign") refuse(path, "not as trace-agent install writes it");
  }
  for (const { path } of links) if (root.has(path) && root.targetOf(path) === undefined) refuse(path, "not a link");
}

/** Undefined if nothing exists there. */
function programOwnership(root: ImageRoot): Ownership | undefined {
  if (!root.has(programPath)) return undefined;
  return root.exists(programPath) && isOwnProgram(root.place(`${programPath}/.`)) ? "ours" : "foreign";
}

function fileOwnership(root: ImageRoot, path: string): Ownership | undefined {
  if (!root.has(path)) return undefined;
  return root.targetOf(path) === undefined ? ownershipOf(root.read(path)) : "foreign";
}

/** What an agent in the initramfs needs, if we know the tool that makes this image's. */
export function findInitramfsMakers(root: ImageRoot, init: InitName): ServiceFiles[] {
  const makers = [];
  if (root.exists("/etc/initramfs-tools")) makers.push(initramfsTools);
  if (root.exists("/usr/lib/dracut/modules.d")) makers.push(dracut);
  return makers.length > 0 && init === "systemd" ? [...makers, systemdEarly] : makers;
}

/** Returns what was removed. Files of every init are checked: the image may have had another one before. */
export function uninstall(root: ImageRoot, force = false): Uninstalled[] {
  const services = initNames.map((init) => [init, serviceFiles(init, root)] as const);
  const isOurs = (path: string): boolean => fileOwnership(root, path) !== "foreign" || force;
  // Compared before the first file is removed: OpenRC's script and sysvinit's have the same name.
  for (const [init, { files, script }] of services) {
    const ours = files.some(({ path }) => root.has(path) && isOurs(path));
    if (root.isRunningSystem && ours) stopService(init, script);
  }
  if (root.isRunningSystem && recorderService.files.some(({ path }) => root.has(path) && isOurs(path))) stopRecorder();
  const done = new Map<string, Uninstalled>();
  const note = (path: string, ownership: Ownership | undefined): void => {
    if (ownership === undefined || done.has(path)) return;
    const remove = ownership === "ours" || force;
    if (remove) root.remove(path);
    done.set(path, { path, outcome: remove ? "removed" : "left", ownership });
  };
  const sets = [...services.map(([, set]) => set), recorderService, systemdEarly, initramfsTools, dracut];
  for (const { files, links, words = [] } of sets) {
    // Links and words that enable a foreign service of that name are foreign, too.
    if (files.every(({ path }) => isOurs(path))) {
      for (const { path, target } of links)
        note(path, root.targetOf(path) === target ? "ours" : root.has(path) ? "foreign" : undefined);
      for (const place of words) removeWord(root, place);
    }
    for (const { path } of files) note(path, fileOwnership(root, path));
  }
  for (const { directories } of sets) for (const directory of directories) root.removeEmpty(directory);
  if (root.isRunningSystem) for (const [init] of services) forgetService(init);
  note(programPath, programOwnership(root));
  return [...done.values()];
}
