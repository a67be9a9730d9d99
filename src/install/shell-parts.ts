/**
 * Shell functions that the services share. They run in any POSIX shell, also klibc's in an initramfs without grep.
 * In a script of OpenRC "name" and "command" belong to the service, so they are not used.
 */
import { controlPortName } from "../protocol/ports.ts";

/** Written by the agent of an initramfs (early-boot.ts): its process id. */
export const earlyMarker = "/run/trace-agent.early";

/**
 * That agent's process name, so that no other process with the same id is taken for it. systemd in an initramfs
 * kills every process when it switches to the real root, except those whose argv[0] begins so (its
 * ROOT_STORAGE_DAEMONS).
 */
export const earlyCommand = "@trace-agent";

/** VIRTIO_ID_CONSOLE, as written in sysfs. */
const consoleDevice = "0x0003";

/**
 * The driver names a port some time after it has found the device: waits for the name, but only if there is a
 * device.
 */
export const findPort = `has_device() {
	for file in /sys/bus/virtio/devices/*/device; do
		[ -e "$file" ] && read -r id <"$file" && [ "$id" = ${consoleDevice} ] && return 0
	done
	return 1
}

has_port() {
	for file in /sys/class/virtio-ports/*/name; do
		[ -e "$file" ] && read -r port <"$file" && [ "$port" = ${controlPortName} ] && return 0
	done
	return 1
}

find_port() {
	modprobe -q virtio_pci
	modprobe -q virtio_console
	tries=30
	until has_port; do
		has_device && [ $tries -gt 0 ] || return 1
		tries=$((tries - 1))
		sleep 0.1
	done
} 2>/dev/null
`;

/** Sets $early to its process id. */
export const earlyAgentLives = `early_agent_lives() {
	[ -s ${earlyMarker} ] && read -r early <${earlyMarker} && read -r process <"/proc/$early/comm" && [ "$process" = ${earlyCommand} ]
} 2>/dev/null
`;

export const mountTracefs =
  "grep -q ' /sys/kernel/tracing tracefs ' /proc/mounts || mount -t tracefs nodev /sys/kernel/tracing";
