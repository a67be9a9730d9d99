/** Puts the program and its service into a system or an image's tree, and takes them out again. Both may be repeated. */
import { dracut, initramfsTools } from "./early-boot.ts";
import type { ImageRoot, Outcome } from "./image-root.ts";
import { type InitName, initNames, serviceFiles } from "./init.ts";
import { forgetService, startService, stopService } from "./running-init.ts";
import { programPath, type ServiceFiles } from "./service-files.ts";
import { addWord, removeWord } from "./word-in-line.ts";

export type Installed = { path: string; outcome: Outcome };

/** `early`: what makes the image's initramfs, for an agent in it. */
export function install(root: ImageRoot, init: InitName, program: string, early: readonly ServiceFiles[] = []): Installed[] {
  const service = serviceFiles(init, root);
  const wanted = [service, ...early];
  const files = wanted.flatMap((set) => set.files);
  const links = wanted.flatMap((set) => set.links);
  const words = wanted.flatMap((set) => set.words ?? []);
  const done: Installed[] = [
    { path: programPath, outcome: root.copy(programPath, program, 0o755) },
    ...files.map(({ path, content, mode }) => ({ path, outcome: root.write(path, content, mode) })),
    ...links.map(({ path, target }) => ({ path, outcome: root.link(path, target) })),
    ...words.map((place) => ({ path: place.path, outcome: addWord(root, place) })),
  ];
  if (root.isRunningSystem) startService(init, service.script, done.some(({ outcome }) => outcome === "changed"));
  return done;
}

/** What makes an image's initramfs, as far as we know it. */
export function findInitramfsMakers(root: ImageRoot): ServiceFiles[] {
  const makers = [];
  if (root.exists("/etc/initramfs-tools")) makers.push(initramfsTools);
  if (root.exists("/usr/lib/dracut/modules.d")) makers.push(dracut);
  return makers;
}

/** Returns the paths that were there. Every init's files are looked for: the image may have had another one before. */
export function uninstall(root: ImageRoot): string[] {
  const services = initNames.map((init) => [init, serviceFiles(init, root)] as const);
  // All before the first file goes: OpenRC's script and sysvinit's have the same name.
  for (const [init, { files, script }] of services) {
    if (root.isRunningSystem && files.some(({ path }) => root.exists(path))) stopService(init, script);
  }
  const removed: string[] = [];
  for (const [init, { files, links, directories, words = [] }] of services) {
    removed.push(...[...links, ...files].map(({ path }) => path).filter((path) => root.remove(path)));
    for (const place of words) removeWord(root, place);
    for (const directory of directories) root.removeEmpty(directory);
    if (root.isRunningSystem) forgetService(init);
  }
  for (const { files, directories } of [initramfsTools, dracut]) {
    removed.push(...files.map(({ path }) => path).filter((path) => root.remove(path)));
    for (const directory of directories) root.removeEmpty(directory);
  }
  if (root.remove(programPath)) removed.push(programPath);
  return removed;
}
