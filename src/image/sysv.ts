/**
 * An init script for all that runs scripts of /etc/init.d: Debian's sysvinit by its runlevel links, BusyBox' rcS (Buildroot)
 * by the script's name. It needs a POSIX shell only, and starts the agent again when it ends unasked.
 */
import type { ImageRoot } from "./image-root.ts";
import { programPath, type ServiceFiles } from "./service-files.ts";

const script = `#!/bin/sh
### BEGIN INIT INFO
# Provides:          trace-agent
# Required-Start:    $local_fs
# Required-Stop:     $local_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Moves this guest's ftrace data to the host
### END INIT INFO
# Written by "trace-agent install".

program=${programPath}
pidfile=/run/trace-agent.pid
[ -x "$program" ] || exit 0
umask 077

running() {
	[ -s "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null
}

# Starts the agent again and again: 0 is its end by a signal, 64 a mistake in this file.
supervise() {
	echo $$ >"$pidfile"
	stopping=
	trap 'stopping=1; kill "$agent"' TERM INT
	while [ -z "$stopping" ]; do
		"$program" &
		agent=$!
		wait "$agent"
		code=$?
		# A signal ends the first wait before the agent has ended.
		[ -z "$stopping" ] || wait "$agent"
		case $code in 0 | 64) break ;; esac
		[ -n "$stopping" ] || sleep 2
	done
	rm -f "$pidfile"
}

start() {
	running && return
	[ -d /sys/bus/virtio/drivers/virtio_console ] || modprobe virtio_console 2>/dev/null
	grep -q ' /sys/kernel/tracing tracefs ' /proc/mounts || mount -t tracefs nodev /sys/kernel/tracing
	if ! grep -qsx agent-ctl-path /sys/class/virtio-ports/*/name; then
		echo "trace-agent: not started: this VM has no port agent-ctl-path (trace-agent check tells more)" >&2
		return
	fi
	if [ -S /dev/log ] && command -v logger >/dev/null; then
		"$0" supervise 2>&1 </dev/null | logger -t trace-agent -p daemon.info &
	else
		"$0" supervise </dev/null >/dev/null 2>/dev/console &
	fi
}

stop() {
	running || return 0
	supervisor=$(cat "$pidfile")
	kill "$supervisor"
	tries=50
	while [ $tries -gt 0 ] && kill -0 "$supervisor" 2>/dev/null; do
		sleep 0.1
		tries=$((tries - 1))
	done
}

case "$1" in
start) start ;;
stop) stop ;;
restart | force-reload) stop; start ;;
status) running && echo "trace-agent is running" || { echo "trace-agent is not running"; exit 3; } ;;
supervise) supervise ;;
*) echo "usage: $0 start|stop|restart|status" >&2; exit 64 ;;
esac
`;

/** Debian's sysvinit has runlevel directories; without them rcS runs the scripts named S and a number. */
export function sysv(root: ImageRoot): ServiceFiles {
  const levels = ["2", "3", "4", "5"].filter((level) => root.exists(`/etc/rc${level}.d`));
  const path = levels.length > 0 ? "/etc/init.d/trace-agent" : "/etc/init.d/S60trace-agent";
  return {
    files: [{ path, content: script, mode: 0o755 }],
    links: levels.map((level) => ({ path: `/etc/rc${level}.d/S20trace-agent`, target: "../init.d/trace-agent" })),
    directories: [],
  };
}
