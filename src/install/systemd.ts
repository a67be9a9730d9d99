/**
 * The systemd unit: bound to the control port's device. Plugging in the port starts the agent, unplugging stops it,
 * and a machine without the port never tries.
 *
 * RuntimeDirectory= is where an agent notes earlier settings, so that the next one can restore them; it outlives the
 * service.
 *
 * ProtectKernelLogs= is left out, too: it takes CAP_SYSLOG, without which kallsyms shows no addresses.
 */
import { controlPortName } from "../protocol/ports.ts";
import { programPath, type ServiceFiles } from "./service-files.ts";
import { earlyCommand, earlyMarker } from "./shell-parts.ts";
import { confinement } from "./systemd-confinement.ts";
import { preset, udevRule } from "./systemd-enabling.ts";

/** As systemd.unit(5) writes a path into a unit's name ("systemd-escape --path --suffix=device"). */
export function deviceUnit(path: string): string {
  const escaped = path
    .replace(/^\/+/, "")
    .replaceAll(/[^\w:./]|^\./g, (letter) => `\\x${letter.charCodeAt(0).toString(16).padStart(2, "0")}`)
    .replaceAll("/", "-");
  return `${escaped}.device`;
}

const device = deviceUnit(`/dev/virtio-ports/${controlPortName}`);
const folder = "/etc/systemd/system";
const unitPath = `${folder}/trace-agent.service`;
const earlyUnitPath = `${folder}/trace-agent-early.service`;

const unitOf = (program: string): string => `[Unit]
Description=Agent that moves this guest's ftrace data to the host
BindsTo=${device}
After=${device} sys-kernel-tracing.mount
Wants=sys-kernel-tracing.mount
ConditionPathExists=!${earlyMarker}
StartLimitIntervalSec=60
StartLimitBurst=10

[Service]
Type=notify
ExecStart=${program}
WatchdogSec=60
WatchdogSignal=SIGKILL
Restart=always
RestartSec=1
RestartPreventExitStatus=64 78
TimeoutStopSec=10
LimitNOFILE=65536
UMask=0077
RuntimeDirectory=trace-agent
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
CapabilityBoundingSet=CAP_SYS_RESOURCE CAP_SYSLOG
DeviceAllow=char-virtio-portsdev rw
ProtectProc=invisible
${confinement}
[Install]
WantedBy=${device}
`;

const unit = unitOf(programPath);

/** The unit of a package, whose program is where packages have theirs. */
export const packagedUnit = unitOf("/usr/bin/trace-agent");

/**
 * If an agent came along from the initramfs, the service leaves the ports to it, and this unit adopts it by its
 * process id: systemd watches it and starts the service when it has ended. ExecStart= only checks that it lives.
 */
const earlyUnit = `[Unit]
Description=Agent of the initramfs that moves this guest's ftrace data to the host
ConditionPathExists=${earlyMarker}

[Service]
Type=forking
PIDFile=${earlyMarker}
ExecStart=/bin/sh -c 'read -r pid <${earlyMarker} && grep -qx ${earlyCommand} /proc/$$pid/comm'
ExecStopPost=/bin/rm -f ${earlyMarker}
ExecStopPost=-/bin/systemctl --no-block start trace-agent.service

[Install]
WantedBy=multi-user.target
`;

const deviceLink = `${folder}/${device}.wants/trace-agent.service`;
const links = [{ path: deviceLink, target: unitPath }];
const earlyLinks = [{ path: `${folder}/multi-user.target.wants/trace-agent-early.service`, target: earlyUnitPath }];

export const systemd: ServiceFiles = {
  files: [{ path: unitPath, content: unit, mode: 0o644 }, preset("80-trace-agent", links), udevRule(deviceLink)],
  links,
  directories: [`${folder}/${device}.wants`],
};

/** An additional unit, if the agent is in the initramfs too. */
export const systemdEarly: ServiceFiles = {
  files: [{ path: earlyUnitPath, content: earlyUnit, mode: 0o644 }, preset("80-trace-agent-early", earlyLinks)],
  links: earlyLinks,
  directories: [],
};
