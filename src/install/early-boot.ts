/**
 * The agent in the initramfs, for tracing before the root file system is mounted: a hook and a boot script for
 * initramfs-tools (Debian, Ubuntu), a module for dracut (Fedora, SUSE).
 *
 * The agent that starts there serves the ports until shutdown, so that a recording continues across the change to
 * the real root. A process of the initramfs finds none of its files after that change, so it has a root of its own
 * under /run, which is moved along. A file in /run tells the service of the real root to leave the ports to it as
 * long as it lives.
 * The executable makes the initramfs some 40 MB larger, so this is only done on request.
 */
import { programPath, type ServiceFiles } from "./service-files.ts";
import { earlyCommand, earlyMarker, findPort } from "./shell-parts.ts";

const startEarly = `early=/run/trace-agent/root

${findPort}
if find_port; then
	# dracut reads this into its own shell, which keeps its umask.
	(umask 077 && mkdir -p $early/proc $early/sys $early/dev $early/run/trace-agent)
	mount -t proc proc $early/proc
	mount -t sysfs sysfs $early/sys
	mount -t tracefs tracefs $early/sys/kernel/tracing
	mount -t devtmpfs devtmpfs $early/dev
	: >$early/${earlyCommand}
	mount -o bind ${programPath} $early/${earlyCommand}
	# What it notes of its sessions is for the service that follows it. Last, so that no other mount is seen twice.
	mount -o bind /run/trace-agent $early/run/trace-agent
	# Found by its name alone, so that this is its argv[0].
	PATH=/:$PATH chroot $early ${earlyCommand} </dev/null >/dev/null 2>/dev/kmsg &
	echo $! >${earlyMarker}
fi
`;

const written = 'written by "trace-agent install --early-boot"';

const prerequisites = `PREREQ=""
case "$1" in
prereqs) echo "$PREREQ"; exit 0 ;;
esac
`;

const hook = `#!/bin/sh
# Puts trace-agent into the initramfs; ${written}.
${prerequisites}. /usr/share/initramfs-tools/hook-functions
copy_exec ${programPath}
manual_add_modules virtio_pci virtio_console
`;

const bootScript = `#!/bin/sh
# Starts trace-agent before the root file system is mounted; ${written}.
${prerequisites}${startEarly}`;

export const initramfsTools: ServiceFiles = {
  files: [
    { path: "/etc/initramfs-tools/hooks/trace-agent", content: hook, mode: 0o755 },
    { path: "/etc/initramfs-tools/scripts/init-premount/trace-agent", content: bootScript, mode: 0o755 },
  ],
  links: [],
  directories: [],
};

const dracutModule = "/usr/lib/dracut/modules.d/50trace-agent";

const dracutSetup = `#!/bin/bash
# Puts trace-agent into the initramfs; ${written}.
check() {
	return 0
}

installkernel() {
	instmods virtio_pci virtio_console
}

# dracut strips what is executable, and a stripped trace-agent is none: start.sh makes it executable again.
install() {
	inst ${programPath}
	chmod 0644 "$initdir${programPath}"
	inst_multiple chmod chroot mkdir modprobe mount sleep
	inst_hook pre-trigger 10 "$moddir/start.sh"
}
`;

const dracutStart = `#!/bin/sh
# Starts trace-agent before the root file system is mounted; ${written}.
chmod 0755 ${programPath}
${startEarly}`;

export const dracut: ServiceFiles = {
  files: [
    { path: `${dracutModule}/module-setup.sh`, content: dracutSetup, mode: 0o755 },
    { path: `${dracutModule}/start.sh`, content: dracutStart, mode: 0o755 },
  ],
  links: [],
  directories: [dracutModule],
};

export const makeInitramfsAnew = "regenerate the initramfs: update-initramfs -u, or dracut --force";

/** Whether a change of this file has no effect until the initramfs is regenerated. */
export function needsInitramfsAnew(path: string): boolean {
  return [initramfsTools, dracut].some(({ files }) => files.some((file) => file.path === path));
}
