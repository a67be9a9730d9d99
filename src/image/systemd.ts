/**
 * The systemd unit: bound to the control port's device, so that a port that is plugged in starts the agent, one that is
 * unplugged stops it, and a machine without one never tries.
 *
 * What is not there, and why: MemoryDenyWriteExecute= (the runtime compiles machine code), PrivateDevices= (the ports),
 * ProtectKernelTunables= (makes tracefs read-only), ProtectKernelLogs= (takes CAP_SYSLOG, without which kallsyms shows no
 * addresses), SystemCallFilter=~@resources (CPU pinning).
 */
import { controlPortName } from "../protocol/ports.ts";
import { programPath, type ServiceFiles } from "./service-files.ts";
import { earlyCommand, earlyMarker } from "./shell-parts.ts";
import { enablingFiles } from "./systemd-enabling.ts";

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

const unit = `[Unit]
Description=Agent that moves this guest's ftrace data to the host
BindsTo=${device}
After=${device} sys-kernel-tracing.mount
Wants=sys-kernel-tracing.mount
ConditionPathExists=!${earlyMarker}
StartLimitIntervalSec=60
StartLimitBurst=10

[Service]
Type=notify
ExecStart=${programPath}
WatchdogSec=60
Restart=always
RestartSec=1
RestartPreventExitStatus=64 78
TimeoutStopSec=10
LimitNOFILE=65536
UMask=0077
CapabilityBoundingSet=CAP_SYS_RESOURCE CAP_SYSLOG
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateNetwork=yes
IPAddressDeny=any
RestrictAddressFamilies=AF_UNIX
DevicePolicy=closed
DeviceAllow=char-virtio-portsdev rw
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelModules=yes
ProtectProc=invisible
KeyringMode=private
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=${device}
`;

/**
 * Where an agent came along from the initramfs, the service leaves the ports to it, and this unit adopts it by its process
 * id: systemd watches it, and starts the service when it has ended. Its ExecStart= only sees that it lives.
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
const links = [
  { path: deviceLink, target: unitPath },
  { path: `${folder}/multi-user.target.wants/trace-agent-early.service`, target: earlyUnitPath },
];

export const systemd: ServiceFiles = {
  files: [
    { path: unitPath, content: unit, mode: 0o644 },
    { path: earlyUnitPath, content: earlyUnit, mode: 0o644 },
    ...enablingFiles(deviceLink, links),
  ],
  links,
  directories: [`${folder}/${device}.wants`],
};
