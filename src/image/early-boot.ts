/**
 * The agent in the initramfs, for tracing what happens before the root file system is there: a hook and a boot script for
 * initramfs-tools (Debian, Ubuntu), a module for dracut (Fedora, SUSE).
 *
 * The agent that starts there serves the ports for the whole life of the machine, so that a recording goes on across the
 * change to the real root. A process of the initramfs finds none of its files after that change, so it lives in a root of
 * its own under /run, which moves along. The service of the real root leaves the ports to it, told by a file in /run.
 * The executable makes the initramfs some 40 MB larger, so all this is made on demand only.
 */
import { controlPortName } from "../protocol/ports.ts";
import { programPath, type ServiceFiles } from "./service-files.ts";
import { earlyMarker } from "./systemd.ts";

/** For the shells of initramfs images, klibc's too: no grep, no functions of a distribution. */
const startEarly = `early=/run/trace-agent
modprobe -q virtio_pci
modprobe -q virtio_console

has_port() {
	for file in /sys/class/virtio-ports/*/name; do
		[ -e "$file" ] && read -r name <"$file" && [ "$name" = ${controlPortName} ] && return 0
	done
	return 1
}

tries=50
until has_port || [ $tries -eq 0 ]; do
	tries=$((tries - 1))
	sleep 0.1
done
if has_port; then
	mkdir -p $early/proc $early/sys $early/dev
	mount -t proc proc $early/proc
	mount -t sysfs sysfs $early/sys
	mount -t tracefs tracefs $early/sys/kernel/tracing
	mount -t devtmpfs devtmpfs $early/dev
	: >$early/trace-agent
	mount -o bind ${programPath} $early/trace-agent
	chroot $early /trace-agent </dev/null >/dev/null 2>/dev/kmsg &
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
