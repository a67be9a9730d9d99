/**
 * What runs in a test guest beside the program under test: busybox as init, and a shell loop that carries out commands
 * which come over the second serial port.
 *
 * Host -> guest, one line per command:  ID TIMEOUT_SECONDS BASE64(shell text)
 * Guest -> host, one line per answer:   @guest@ ID EXIT_CODE .BASE64(stdout) .BASE64(stderr)
 * and `@guest@ ready` when the loop begins. Commands run side by side; one process writes the answers, so lines stay whole.
 */
export const answerMark = "@guest@";

/** Where the loop keeps its files in the guest; `spawn` puts its own there too. */
export const guestFolder = "/run/commands";

const inittab = `::sysinit:/etc/setup
::respawn:/etc/commands
`;

function setupScript(moduleNames: string[]): string {
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp ${guestFolder}
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tracefs tracefs /sys/kernel/tracing
${moduleNames.map((name) => `insmod /lib/modules/${name}.ko`).join("\n")}
`;
}

/**
 * Needs /bin/busybox for its shell only. A command is no child of the shell that reads: where a child ends within a line, read of
 * busybox' shell forgets what it has of the line, and the command is never answered.
 */
export const commandsScript = `#!/bin/busybox sh
cd ${guestFolder}
exec </dev/ttyS1 >/dev/ttyS1 2>/dev/console
stty raw -echo
rm -f done
mkfifo done
while read -r id code <&3; do
  printf '${answerMark} %s %s .' "$id" "$code"
  base64 -w0 "$id.out"
  printf ' .'
  base64 -w0 "$id.err"
  echo
  rm -f "$id.sh" "$id.out" "$id.err"
done 3<>done &
echo "${answerMark} ready"
while read -r id seconds text; do
  echo "$text" | base64 -d >"$id.sh"
  ({ timeout -s KILL "$seconds" sh "$id.sh" </dev/null >"$id.out" 2>"$id.err"; echo "$id $?" >done; } &)
done
`;

/** The files of the initramfs, by path in the guest, that make it boot into the command loop. */
export function guestInitFiles(busybox: Uint8Array, modules: { name: string; data: Uint8Array }[]) {
  const program = (data: Uint8Array | string): { mode: number; data: Uint8Array | string } => ({ mode: 0o755, data });
  return new Map([
    ["/bin/busybox", program(busybox)],
    ["/init", program("#!/bin/busybox sh\nexec /bin/busybox init\n")],
    ["/etc/inittab", { mode: 0o644, data: inittab }],
    ["/etc/setup", program(setupScript(modules.map(({ name }) => name)))],
    ["/etc/commands", program(commandsScript)],
    ...modules.map(({ name, data }) => [`/lib/modules/${name}.ko`, { mode: 0o644, data }] as const),
  ]);
}
