/**
 * What systemd keeps from our services.
 *
 * Options that are left out on purpose: MemoryDenyWriteExecute= (the runtime compiles machine code), PrivateDevices= (ports, the
 * host's own agent), ProtectKernelTunables= (makes tracefs read-only), SystemCallFilter=~@resources (CPU pinning).
 */
export const confinement = `NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateNetwork=yes
IPAddressDeny=any
RestrictAddressFamilies=AF_UNIX
DevicePolicy=closed
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelModules=yes
KeyringMode=private
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
`;
