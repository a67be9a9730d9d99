/** The OpenRC service, as Alpine has it: watched over by supervise-daemon, which starts it again when it ends. */
import { programPath, type ServiceFiles } from "./service-files.ts";

const scriptPath = "/etc/init.d/trace-agent";

const script = `#!/sbin/openrc-run
# Moves this guest's ftrace data to the host; written by "trace-agent install".

description="Agent that moves this guest's ftrace data to the host"
supervisor=supervise-daemon
command="${programPath}"
command_args="\${TRACE_AGENT_ARGS:-}"
error_logger="\${TRACE_AGENT_LOGGER:-logger -t trace-agent -p daemon.info}"
respawn_delay=2
respawn_max=10
respawn_period=60
umask=0077

depend() {
	after sysfs modules udev mdev hwdrivers localmount logger
	keyword -lxc -docker -podman -systemd-nspawn
}

start_pre() {
	[ -d /sys/bus/virtio/drivers/virtio_console ] || modprobe -q virtio_console
	grep -q ' /sys/kernel/tracing tracefs ' /proc/mounts || mount -t tracefs nodev /sys/kernel/tracing
	if ! grep -qsx agent-ctl-path /sys/class/virtio-ports/*/name; then
		eerror "this VM has no port agent-ctl-path (trace-agent check tells more)"
		return 1
	fi
}
`;

export const openrc: ServiceFiles = {
  files: [{ path: scriptPath, content: script, mode: 0o755 }],
  links: [{ path: "/etc/runlevels/default/trace-agent", target: scriptPath }],
  directories: [],
};
