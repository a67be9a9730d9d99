/**
 * The peer: the kernel's own agent, tools/virtio/virtio-trace, built from Debian's package of the kernel's source.
 *
 * As shipped it ends within seconds on current kernels, because its pipe is non-blocking and it takes EAGAIN for fatal. It is
 * built with that one fault fixed (a blocking pipe). Its paths are made relative, so that the same program serves a tracefs
 * instance and FIFOs here and the real devices in a guest: it runs in a folder with `tracing` and `ports` in it.
 */
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../../ffi/static/cache.ts";
import { unpackedPackage } from "../../support/packages.ts";
import { compileC } from "./programs.ts";

/** Each edit must apply exactly once: else the source is not what it was when the benchmark was written. */
const edits: { file: string; from: RegExp; to: string }[] = [
  { file: "trace-agent-rw.c", from: /pipe2\(data_pipe, O_NONBLOCK\)/g, to: "pipe2(data_pipe, 0)" },
  { file: "trace-agent.c", from: /"\/sys\/kernel\/debug\/tracing\//g, to: '"tracing/' },
  { file: "trace-agent.c", from: /"\/dev\/virtio-ports\/trace-path-cpu%d"/g, to: '"ports/trace-path-cpu%d.out"' },
  { file: "trace-agent.c", from: /"\/dev\/virtio-ports\/agent-ctl-path"/g, to: '"ports/agent-ctl-path.in"' },
];
const sources = ["trace-agent.c", "trace-agent-ctl.c", "trace-agent-rw.c"];

export const kernelAgentNote =
  "C is the kernel's tools/virtio/virtio-trace from Debian's linux-source-6.1, built with a blocking pipe (as shipped it takes " +
  "EAGAIN for fatal and ends within seconds) and with its paths turned to the test's ports";

/** Path of the built program. `fetch` false: undefined when no earlier run has built it. */
export async function kernelAgent(fetch: boolean): Promise<string | undefined> {
  const folder = cacheFolder("bench");
  const program = join(folder, "kernel-agent-2");
  if (existsSync(program)) return program;
  if (!fetch) return undefined;
  const source = join(await unpackedPackage("linux-source-6.1"), "usr/src/linux-source-6.1.tar.xz");
  const scratch = mkdtempSync(join(folder, "kernel-agent-"));
  try {
    const tar = [
      "tar",
      "-xJf",
      source,
      "-C",
      scratch,
      "--strip-components=4",
      "--wildcards",
      "*/tools/virtio/virtio-trace/*",
    ];
    const { exitCode, stderr } = Bun.spawnSync(tar);
    if (exitCode !== 0) throw new Error(`cannot unpack ${source}: ${stderr.toString()}`);
    for (const { file, from, to } of edits) edit(join(scratch, file), from, to);
    const made = join(scratch, "agent");
    // The options of its Makefile, and static for guests without a libc.
    compileC(
      sources.map((name) => join(scratch, name)),
      made,
      ["-O2", "-Wall", "-pthread", "-static"],
    );
    renameSync(made, program);
    return program;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function edit(path: string, from: RegExp, to: string): void {
  const text = readFileSync(path, "utf8");
  const found = text.match(from)?.length ?? 0;
  if (found !== 1) throw new Error(`cannot edit ${path}: ${String(from)} is there ${found} times`);
  writeFileSync(path, text.replace(from, to));
}
