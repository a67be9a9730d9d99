/** The OpenRC service, as on Alpine: supervised by supervise-daemon, which restarts it when it ends. */
import { programPath, type ServiceFiles } from "./service-files.ts";
import { earlyAgentLives, earlyCommand, findPort, mountTracefs } from "./shell-parts.ts";

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

${findPort}
${earlyAgentLives}
start_pre() {
	${mountTracefs}
	if ! find_port; then
		eerror "this VM has no port agent-ctl-path (see trace-agent check)"
		return 1
	fi
	if early_agent_lives; then
		einfo "the agent of the initramfs (pid $early) has the ports: this one follows when it ends"
		command=/bin/sh
		command_args="-c 'while grep -qsx ${earlyCommand} /proc/$early/comm; do sleep 5; done; exec ${programPath} \${TRACE_AGENT_ARGS:-}'"
	fi
}
`;

export const openrc: ServiceFiles = {
  files: [{ path: scriptPath, content: script, mode: 0o755 }],
  script: scriptPath,
  links: [{ path: "/etc/runlevels/default/trace-agent", target: scriptPath }],
  directories: [],
};
