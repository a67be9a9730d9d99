/**
 * Keeps a guest's directory across boots of the host. /run is empty after a boot; an entry of tmpfiles.d(5) makes
 * the directory again before VMs start.
 */
import { existsSync } from "node:fs";
import { Directory } from "../../base/directory.ts";
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { OutputFile } from "../../base/output-file.ts";
import type { HostTransport } from "../../transport/transports.ts";
import { type GuestDirectory, guestsDirectory } from "../guest-directory.ts";
import { lockName } from "../run/guest-lock.ts";
import { directoryMode, entryMode, fifoNames } from "./setup.ts";
import type { SetupPlan } from "./setup-plan.ts";

const folder = "/etc/tmpfiles.d";
/** Programs that process such entries at boot: systemd's and OpenRC's. */
const readers = ["systemd-tmpfiles", "tmpfiles"];
const firstLine = '# Made by "trace-agent setup --persist"; "trace-agent setup --remove" removes it.';
const entryBytesMax = 1024 * 1024;

/** The file of this guest's entry. */
export function entryPath({ guest, path }: GuestDirectory): string {
  return `${folder}/${entryName(guest, path)}`;
}

/** Unique per guest: the prefix tells a path from a name. */
function entryName(guest: string, path: string): string {
  const usual = path === `${guestsDirectory}/${guest}`;
  return usual ? `trace-agent.${encodeURIComponent(guest)}.conf` : `trace-agent-dir.${encodeURIComponent(path)}.conf`;
}

export function entryText(path: string, plan: SetupPlan, transport: HostTransport, group: string | undefined): string {
  const line = (type: string, place: string, mode: number, owner: string): string =>
    `${type} ${escaped(place)} 0${mode.toString(8)} - ${owner} -\n`;
  const entries = [...fifoNames(plan, transport).map((name) => ["p", name] as const), ["f", lockName] as const];
  return [
    `${firstLine}\n`,
    ...(path.startsWith(`${guestsDirectory}/`) ? [line("d", guestsDirectory, 0o755, "-")] : []),
    line("d", path, directoryMode, group ?? "-"),
    ...entries.map(([type, name]) => line(type, `${path}/${name}`, entryMode, group ?? "-")),
  ].join("");
}

/** Returns the path that was written. */
export function persist(
  guest: GuestDirectory,
  plan: SetupPlan,
  transport: HostTransport,
  group: string | undefined,
): string {
  const file = new OutputFile(entryPath(guest), { mode: 0o644, system: true });
  try {
    file.write(Buffer.from(entryText(guest.path, plan, transport, group)));
    file.finish();
  } finally {
    file.abandon();
  }
  if (!existsSync("/run/systemd/system") && readers.every((program) => Bun.which(program) === null))
    log.warn(`nothing here reads ${folder} at boot: neither ${readers.join(" nor ")} is installed`);
  return entryPath(guest);
}

/** Returns whether there was one. A file of that name that is not ours stays. */
export function forget(guest: GuestDirectory): boolean {
  const name = entryName(guest.guest, guest.path);
  if (!existsSync(entryPath(guest))) return false;
  const directory = Directory.openToRead(folder);
  try {
    if (!directory.read(name, entryBytesMax).toString("utf8").startsWith(`${firstLine}\n`)) return false;
    return directory.remove(name);
  } catch (cause) {
    throw new AgentError("permission", `cannot remove "${folder}/${name}": ${messageOf(cause)}`, {
      remedy: "run it as root",
      cause,
    });
  } finally {
    directory.close();
  }
}

/** "%" begins a specifier in these files; blanks separate the fields, which may be quoted as in C. */
function escaped(path: string): string {
  const text = path.replaceAll("%", "%%");
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
