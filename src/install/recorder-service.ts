/**
 * The systemd unit of a host's recorder, and the file that says what it records. CAP_DAC_OVERRIDE: sockets and FIFOs of guests belong
 * to QEMU's user. No ProtectProc=invisible: the threads of QEMU's CPUs are found in /proc. Started again without a limit: a disk may be
 * full for hours.
 */
import { confinement } from "./systemd-confinement.ts";
import { preset } from "./systemd-enabling.ts";
import { programPath, type ServiceFiles } from "./service-files.ts";

export const recorderUnit = "trace-agent-recorder.service";
export const recorderConfigPath = "/etc/trace-agent/record.toml";

const folder = "/etc/systemd/system";
const unitPath = `${folder}/${recorderUnit}`;
const recordings = "/var/lib/trace-agent/recordings";

const unit = `[Unit]
Description=Recorder of the ftrace data of this host's guests
ConditionPathExists=${recorderConfigPath}
After=local-fs.target sys-kernel-tracing.mount systemd-tmpfiles-setup.service
Wants=sys-kernel-tracing.mount
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=${programPath} record --config ${recorderConfigPath}
ExecReload=/bin/kill -HUP $MAINPID
WatchdogSec=60
WatchdogSignal=SIGKILL
Restart=on-failure
RestartSec=2
RestartPreventExitStatus=64 77 78
TimeoutStopSec=300
LimitNOFILE=524288
UMask=0077
StateDirectory=trace-agent
StateDirectoryMode=0700
CacheDirectory=trace-agent
CacheDirectoryMode=0700
RuntimeDirectory=trace-agent
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
ReadWritePaths=-/run
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_SYS_RESOURCE CAP_SYSLOG
${confinement}
[Install]
WantedBy=multi-user.target
`;

const config = `# What ${recorderUnit} records. The keys are the options of "trace-agent record" (trace-agent record --help).
# After a change: systemctl reload ${recorderUnit}

# Where, and how much of it is kept.
output = "${recordings}"
rotate = "1G"
keep = "20G"
free = "10%"

# All guests with a directory in /run/virtio-trace (trace-agent setup), also those that come later.
all = true
join = true

event = ["sched:sched_switch", "sched:sched_waking"]

# Only of one of them:
# [machines.vm1]
# event = ["sched", "irq"]
`;

const links = [{ path: `${folder}/multi-user.target.wants/${recorderUnit}`, target: unitPath }];

export const recorderService: ServiceFiles = {
  files: [
    { path: unitPath, content: unit, mode: 0o644 },
    { path: recorderConfigPath, content: config, mode: 0o644 },
    preset("80-trace-agent-recorder", links),
  ],
  links,
  directories: ["/etc/trace-agent"],
};
