/** Detects an image's init, and lists the files that each kind of init gets. */
import type { ImageRoot } from "./image-root.ts";
import { openrc } from "./openrc.ts";
import type { ServiceFiles } from "./service-files.ts";
import { systemd } from "./systemd.ts";
import { sysv } from "./sysv.ts";

export const initNames = ["systemd", "openrc", "sysv", "none"] as const;
export type InitName = (typeof initNames)[number];

const nothing: ServiceFiles = { files: [], links: [], directories: [] };

/** Judged by the program files: in an image no init is running. */
export function findInit(root: ImageRoot): InitName {
  if (root.exists("/usr/lib/systemd/systemd") || root.exists("/lib/systemd/systemd")) return "systemd";
  if (root.exists("/sbin/openrc-run") || root.exists("/usr/sbin/openrc-run")) return "openrc";
  return root.exists("/etc/init.d") ? "sysv" : "none";
}

export function serviceFiles(init: InitName, root: ImageRoot): ServiceFiles {
  switch (init) {
    case "systemd":
      return systemd;
    case "openrc":
      return openrc;
    case "sysv":
      return sysv(root);
    case "none":
      return nothing;
  }
}
