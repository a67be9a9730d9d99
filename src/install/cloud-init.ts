/**
 * User-data for cloud-init that installs this executable, identified by its SHA-256.
 *
 * Clouds accept 16 to 64 kB of user-data, so the executable itself comes from a URL, or from the seed image that
 * the user-data came from. Nothing waits for the agent: the service is started without blocking the boot.
 */
import { readFileSync } from "node:fs";
import { AgentError } from "../base/errors.ts";
import { sha256 } from "../base/sha256.ts";
import { version } from "../base/version.ts";

/** The name of a NoCloud seed's file system; cloud-init searches for it. */
export const seedLabel = "cidata";
export const seedProgram = "trace-agent";

export type ProgramSource = { from: "url"; url: string } | { from: "seed" };

const fresh = "/usr/local/bin/.trace-agent.new";

export function userData(source: ProgramSource, sha256: string): string {
  const script = [
    `new=${fresh}`,
    "mkdir -p /usr/local/bin",
    ...fetchLines(source),
    `echo "${sha256}  $new" | sha256sum -c -`,
    'chmod 0755 "$new"',
    // It installs itself, and does not touch another program of that name.
    '"$new" install',
  ];
  return `#cloud-config
# Installs trace-agent ${version} and its service; printed by "trace-agent cloud-init".
runcmd:
  - - /bin/sh
    - -ec
    - |
${script.map((line) => `      ${line}\n`).join("")}`;
}

function fetchLines(source: ProgramSource): string[] {
  if (source.from === "url") {
    return [
      `trap 'rm -f "$new"' EXIT`,
      `url=${shellQuoted(source.url)}`,
      "if command -v curl >/dev/null; then",
      '  curl -fsSL --retry 5 -o "$new" "$url"',
      "else",
      '  wget -q -O "$new" "$url"',
      "fi",
    ];
  }
  return [
    "seed=$(mktemp -d)",
    `trap 'rm -f "$new"; umount "$seed"; rmdir "$seed"' EXIT`,
    `mount -o ro "$(blkid -L ${seedLabel} || blkid -L ${seedLabel.toUpperCase()})" "$seed"`,
    `cp "$seed/${seedProgram}" "$new"`,
  ];
}

function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A new id makes cloud-init run the user-data again for a new version. */
export function metaData(sha256: string): string {
  return `instance-id: trace-agent-${sha256.slice(0, 16)}\n`;
}

/** The URL in its plain form. */
export function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new AgentError("usage", `cannot use URL "${text}"`, {
      remedy: "give where the guest can fetch the executable: https://...",
    });
  }
  return url.href;
}

export function readSha256(text: string): string {
  if (!/^[0-9a-f]{64}$/i.test(text))
    throw new AgentError("usage", `cannot read SHA-256 "${text}": it has 64 hexadecimal digits`);
  return text.toLowerCase();
}

export function sha256Of(file: string): string {
  return sha256(readFileSync(file));
}
