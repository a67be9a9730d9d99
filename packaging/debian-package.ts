/**
 * The .deb of an executable: program, man pages, completions and a systemd unit that is not enabled. Its scripts only tell
 * systemd of the unit, restart an agent that runs, and stop it before it is removed.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { packagedUnit } from "../src/install/systemd.ts";
import { arArchive, packFolder } from "./archive.ts";
import { overrides } from "./lintian-overrides.ts";
import { postinst, postrm, prerm } from "./maintainer-scripts.ts";

export type DebianPackage = {
  executable: string;
  /** What share-files.ts wrote. */
  share: string;
  version: string;
  /** dpkg's name of the machine. */
  architecture: string;
  /** "NAME <ADDRESS>". */
  maintainer: string;
  license: string;
  changelog: string;
  /** Uncompressed it is made in a second: for tests. */
  compressed?: boolean;
};

/** Writes trace-agent_VERSION_ARCHITECTURE.deb into `folder` and returns its path. */
export function writeDebianPackage(made: DebianPackage, folder: string): string {
  const { architecture, version, compressed = true } = made;
  const scratch = mkdtempSync(join(tmpdir(), "trace-agent-deb-"));
  try {
    const [data, control] = [join(scratch, "data"), join(scratch, "control")];
    layOut(data, made);
    mkdirSync(control);
    const files = filesUnder(data);
    const put = (name: string, text: string, mode = 0o644): void => {
      writeFileSync(join(control, name), text);
      chmodSync(join(control, name), mode);
    };
    put(
      "control",
      controlText(
        made,
        files.reduce((sum, file) => sum + Math.ceil(lstatSync(join(data, file)).size / 1024), 0),
      ),
    );
    put("md5sums", files.map((file) => `${md5(join(data, file))}  ${file}\n`).join(""));
    put("postinst", postinst, 0o755);
    put("prerm", prerm, 0o755);
    put("postrm", postrm, 0o755);
    chmodSync(control, 0o755);
    const ending = compressed ? ".tar.xz" : ".tar";
    const members = ["control", "data"].map((part) => {
      const name = `${part}${ending}`;
      packFolder(join(scratch, part), join(scratch, name));
      return { name, bytes: readFileSync(join(scratch, name)) };
    });
    const path = join(folder, `trace-agent_${version}_${architecture}.deb`);
    writeFileSync(path, arArchive([{ name: "debian-binary", bytes: Buffer.from("2.0\n") }, ...members]));
    return path;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function layOut(data: string, { executable, share, license, changelog, version, maintainer }: DebianPackage): void {
  const put = (path: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(data, path)), { recursive: true });
    writeFileSync(join(data, path), content);
  };
  cpSync(share, join(data, "usr/share"), { recursive: true });
  for (const file of filesUnder(data).filter((path) => path.includes("/man/"))) {
    const path = join(data, file);
    // Without a time in its head.
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
    rmSync(path);
  }
  put("usr/share/doc/trace-agent/copyright", copyright(license));
  const entry = `trace-agent (${version}) unstable; urgency=medium\n\n  * What changed is told in NEWS.gz.\n\n -- ${maintainer}  Thu, 01 Jan 2026 00:00:00 +0000\n`;
  put("usr/share/doc/trace-agent/changelog.gz", gzipSync(Buffer.from(entry), { level: 9 }));
  put("usr/share/doc/trace-agent/NEWS.gz", gzipSync(Buffer.from(changelog), { level: 9 }));
  put("usr/share/lintian/overrides/trace-agent", overrides);
  put("usr/lib/systemd/system/trace-agent.service", packagedUnit);
  mkdirSync(join(data, "usr/bin"), { recursive: true });
  copyFileSync(executable, join(data, "usr/bin/trace-agent"));
  setModes(data);
}

/** Whatever the umask of whoever builds. */
function setModes(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) setModes(path);
    else chmodSync(path, path.endsWith("/usr/bin/trace-agent") ? 0o755 : 0o644);
  }
}

function controlText({ version, architecture, maintainer }: DebianPackage, installedKb: number): string {
  return `Package: trace-agent
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${installedKb}
Suggests: qemu-system, trace-cmd
Section: utils
Priority: optional
Description: records what the kernel of a VM guest does, over virtio-serial
 In a guest it is the agent that moves ftrace data to the host over
 virtio-serial ports; on the host it records guests and this machine, and shows
 recordings as text, as JSON and in Perfetto. Its files are read by trace-cmd
 and KernelShark.
 .
 The service is for guests, and is not enabled.
`;
}

function copyright(license: string): string {
  return `${license.trim()}

The executable also holds Bun (MIT, with JavaScriptCore under the LGPL), glibc
(LGPL 2.1 or later) and libgcc (GPL 3 or later with the GCC runtime library
exception), and packages of npm under the MIT licence. "trace-agent licenses"
lists them with versions and sources, "trace-agent licenses --text" prints the
licences; see also /usr/share/common-licenses/LGPL-2.1 and
/usr/share/common-licenses/GPL-3.
`;
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => lstatSync(join(folder, path)).isFile())
    .sort();
}

function md5(path: string): string {
  return createHash("md5").update(readFileSync(path)).digest("hex");
}
