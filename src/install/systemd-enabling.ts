/**
 * Keeps the service enabled and started where a link in a device's .wants folder is not enough.
 *
 * Presets: image builders, and systemd itself at an image's first boot, disable services without a preset on
 * systems that disable by default (Fedora).
 *
 * A rule of udev: a device that an initramfs with systemd and virtio_console has seen does not appear again in the
 * real system, so its links start nothing there. The rule makes systemd evaluate SYSTEMD_WANTS again. As with the
 * link, a service that is not enabled is not started.
 */
import { basename } from "node:path";
import { controlPortName } from "../protocol/ports.ts";
import type { ServiceFiles } from "./service-files.ts";

type File = ServiceFiles["files"][number];

/** `links` enable the services of their names. */
export function preset(name: string, links: ServiceFiles["links"]): File {
  const content = links.map(({ path }) => `enable ${basename(path)}\n`).join("");
  return { path: `/etc/systemd/system-preset/${name}.preset`, content, mode: 0o644 };
}

/** `deviceLink` is the link that enables the service that the control port's device starts. */
export function udevRule(deviceLink: string): File {
  const match = `SUBSYSTEM=="virtio-ports", ATTR{name}=="${controlPortName}", TEST=="${deviceLink}"`;
  const content = `${match}, TAG+="systemd", ENV{SYSTEMD_WANTS}+="${basename(deviceLink)}"\n`;
  return { path: "/etc/udev/rules.d/80-trace-agent.rules", content, mode: 0o644 };
}
