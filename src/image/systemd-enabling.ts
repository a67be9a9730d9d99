/**
 * Keeps the service enabled and started where a link in a device's .wants folder alone does not do it.
 *
 * Presets: image builders, and systemd itself at an image's first boot, disable what no preset names on systems that
 * disable by default (Fedora).
 *
 * A rule of udev: a device that an initramfs with systemd and virtio_console has seen does not appear anew in the real
 * system, so its links start nothing there. What udev wants of it is looked at again. As with the link, a service that is
 * not enabled is not started.
 */
import { basename } from "node:path";
import { controlPortName } from "../protocol/ports.ts";
import type { ServiceFiles } from "./service-files.ts";

/** `deviceLink` is the link that enables the service that the control port's device starts; `links` are all of them. */
export function enablingFiles(deviceLink: string, links: ServiceFiles["links"]): ServiceFiles["files"] {
  const preset = links.map(({ path }) => `enable ${basename(path)}\n`).join("");
  const match = `SUBSYSTEM=="virtio-ports", ATTR{name}=="${controlPortName}", TEST=="${deviceLink}"`;
  const rule = `${match}, TAG+="systemd", ENV{SYSTEMD_WANTS}+="${basename(deviceLink)}"\n`;
  return [
    { path: "/etc/systemd/system-preset/80-trace-agent.preset", content: preset, mode: 0o644 },
    { path: "/etc/udev/rules.d/80-trace-agent.rules", content: rule, mode: 0o644 },
  ];
}
