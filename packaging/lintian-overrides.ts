/** What lintian says of the package and is so on purpose, each with its reason. */
export const overrides = `# One static executable with its own loader and libraries: it runs in guests without a libc.
trace-agent: statically-linked-binary [usr/bin/trace-agent]
trace-agent: embedded-library * [usr/bin/trace-agent]
# strip would remove the program that Bun has appended.
trace-agent: unstripped-binary-or-object [usr/bin/trace-agent]
# The port's device starts the agent: a VM without it never tries.
trace-agent: systemd-service-file-refers-to-unusual-wantedby-target * [usr/lib/systemd/system/trace-agent.service]
# "install" reads whose file it would shadow, also in an image of another machine, where dpkg cannot run.
trace-agent: uses-dpkg-database-directly [usr/bin/trace-agent]
`;
