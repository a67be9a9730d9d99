/**
 * An init script for inits that run scripts of /etc/init.d: Debian's sysvinit by its runlevel links, BusyBox' rcS
 * (Buildroot) by the script's name. It needs only a POSIX shell, and restarts the agent when it ends unexpectedly.
 */
import type { ImageRoot } from "./image-root.ts";
import { programPath, type ServiceFiles } from "./service-files.ts";
import { earlyAgentLives, findPort, mountTracefs } from "./shell-parts.ts";

const script = `#!/bin/sh
### BEGIN INIT INFO
# Provides:          trace-agent
# Required-Start:    $local_fs
# Required-Stop:     $local_fs
# Should-Start:      $syslog
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Moves this guest's ftrace data to the host
### END INIT INFO
# Written by "trace-agent install".

program=${programPath}
pidfile=/run/trace-agent.pid
[ -x "$program" ] || exit 0
umask 077

${findPort}
${earlyAgentLives}
running() {
	[ -s "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null
}

stopped() {
	! running
}

await() {
	tries=50
	until "$1" || [ $tries -eq 0 ]; do
		sleep 0.1
		tries=$((tries - 1))
	done
}

# Starts the agent again and again, after that of the initramfs: 0 is its end by a signal, 64 a mistake in this file.
supervise() {
	echo $$ >"$pidfile"
	stopping=
	agent=
	trap 'stopping=1; [ -z "$agent" ] || kill "$agent"' TERM INT
	while [ -z "$stopping" ] && early_agent_lives; do
		sleep 5 &
		wait $!
	done
	while [ -z "$stopping" ]; do
		"$program" &
		agent=$!
		[ -z "$stopping" ] || kill "$agent"
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
	${mountTracefs}
	if ! find_port; then
		echo "trace-agent: not started: this VM has no port agent-ctl-path (see trace-agent check)" >&2
		return
	fi
	if [ -S /dev/log ] && command -v logger >/dev/null; then
		"$0" supervise 2>&1 </dev/null | logger -t trace-agent -p daemon.info >/dev/null 2>&1 &
	else
		"$0" supervise </dev/null >/dev/null 2>/dev/console &
	fi
	await running
}

stop() {
	running || return 0
	kill "$(cat "$pidfile")"
	await stopped
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

const plainPath = "/etc/init.d/trace-agent";
const startLevels = ["2", "3", "4", "5"];
const stopLevels = ["0", "1", "6"];

/** Where Debian lists which scripts run in parallel; a script that is not among the targets is not run. */
const orderFiles = ["/etc/init.d/.depend.start", "/etc/init.d/.depend.stop"];

/** Debian's sysvinit has runlevel directories; without them rcS runs the scripts named S and a number. */
export function sysv(root: ImageRoot): ServiceFiles {
  const links = [
    ...startLevels.flatMap((level) => runlevelLinks(root, level, "S20")),
    ...stopLevels.flatMap((level) => runlevelLinks(root, level, "K01")),
  ];
  const path = links.length > 0 ? plainPath : "/etc/init.d/S60trace-agent";
  return {
    files: [{ path, content: script, mode: 0o755 }],
    links: links.map((link) => ({ path: link, target: "../init.d/trace-agent" })),
    script: path,
    words: orderFiles
      .filter((file) => root.exists(file))
      .map((file) => ({ path: file, line: "TARGETS =", word: "trace-agent" })),
    directories: [],
  };
}

/** insserv gives links that are there another number. */
function runlevelLinks(root: ImageRoot, level: string, place: string): string[] {
  const folder = `/etc/rc${level}.d`;
  if (!root.exists(folder)) return [];
  const known = root.list(folder).filter((name) => /^[SK]\d\dtrace-agent$/.test(name));
  return (known.length > 0 ? known : [`${place}trace-agent`]).map((name) => `${folder}/${name}`);
}
