/** What dpkg runs when the package comes, changes and goes (deb-postinst(5) and its kin). */

const isSystemd = "[ -d /run/systemd/system ]";

export const postinst = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
  if ${isSystemd}; then
    systemctl --system daemon-reload >/dev/null || true
    # After an upgrade an agent that runs is the old one.
    if [ -n "$2" ]; then deb-systemd-invoke try-restart trace-agent.service >/dev/null || true; fi
  fi
  if [ -e /usr/local/bin/trace-agent ]; then
    echo "trace-agent: /usr/local/bin/trace-agent comes before this package's; trace-agent uninstall removes it" >&2
  fi
fi
`;

export const prerm = `#!/bin/sh
set -e
if [ "$1" = remove ] && ${isSystemd}; then
  deb-systemd-invoke stop trace-agent.service >/dev/null || true
fi
`;

export const postrm = `#!/bin/sh
set -e
if [ "$1" = purge ]; then
  # What systemctl enable made.
  for link in /etc/systemd/system/*.wants/trace-agent.service; do
    if [ -L "$link" ]; then
      rm -f "$link"
      rmdir --ignore-fail-on-non-empty "\${link%/*}"
    fi
  done
fi
if { [ "$1" = remove ] || [ "$1" = purge ]; } && ${isSystemd}; then
  systemctl --system daemon-reload >/dev/null || true
fi
`;
