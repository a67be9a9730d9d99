/** Puts the program and its service into a system or an image's tree, and takes them out again. Both may be repeated. */
import type { ImageRoot, Outcome } from "./image-root.ts";
import { type InitName, initNames, serviceFiles } from "./init.ts";
import { forgetService, startService, stopService } from "./running-init.ts";
import { programPath } from "./service-files.ts";

export type Installed = { path: string; outcome: Outcome };

export function install(root: ImageRoot, init: InitName, program: string): Installed[] {
  const { files, links } = serviceFiles(init, root);
  const done: Installed[] = [
    { path: programPath, outcome: root.copy(programPath, program, 0o755) },
    ...files.map(({ path, content, mode }) => ({ path, outcome: root.write(path, content, mode) })),
    ...links.map(({ path, target }) => ({ path, outcome: root.link(path, target) })),
  ];
  if (root.isRunningSystem) startService(init, done.some(({ outcome }) => outcome === "changed"));
  return done;
}

/** Returns the paths that were there. Every init's files are looked for: the image may have had another one before. */
export function uninstall(root: ImageRoot): string[] {
  const removed: string[] = [];
  for (const init of initNames) {
    const { files, links, directories } = serviceFiles(init, root);
    const paths = [...links, ...files].map(({ path }) => path);
    if (root.isRunningSystem && paths.some((path) => root.exists(path))) stopService(init);
    removed.push(...paths.filter((path) => root.remove(path)));
    for (const directory of directories) root.removeEmpty(directory);
    if (root.isRunningSystem) forgetService(init);
  }
  if (root.remove(programPath)) removed.push(programPath);
  return removed;
}
