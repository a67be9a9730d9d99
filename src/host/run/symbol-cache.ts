/**
 * Symbols and printk formats of guests, kept on the host: they are 5 to 10 MB, the guest's kernel formats them for each reader, and
 * they change only with its boot and its modules. Without a directory that is ours alone nothing is kept.
 */
import { E, SystemError } from "../../../ffi/errno.ts";
import { parseBoundedJson } from "../../base/bounded-json.ts";
import { Directory } from "../../base/directory.ts";
import { messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { OutputFile } from "../../base/output-file.ts";
import { OutputPlace } from "../../base/output-place.ts";
import { sha256 } from "../../base/sha256.ts";
import { unzstd } from "../../base/unzstd.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import { hostLimits } from "../limits.ts";

/** Everything the symbols depend on, as the guest's hello tells it. */
export type SymbolsKey = {
  guest: string;
  bootId: string;
  modules: string;
  kptrRestrict: string;
  printkBytes: number;
};

/** Of a guest and a key; earlier versions named the key alone. */
const ourName = /^symbols-(?:([\da-f]{16})-)?[\da-f]{32}$/;
const newline = 0x0a;
/** First line of a file: the key, and what is behind it. */
type Head = { version: 2; key: SymbolsKey; bytes: number; sum: string };
const headBytesMax = 4096;
const headBounds = { depthMax: 2, valuesMax: 16 };

/** Root's is /var/cache (hier(7)), or what systemd made of CacheDirectory=; a user's follows the XDG base directory specification. */
export function symbolCachePath(env: NodeJS.ProcessEnv = process.env, uid = process.geteuid?.()): string | undefined {
  const absolute = (path: string | undefined): string | undefined =>
    path?.startsWith("/") === true ? path : undefined;
  const told = absolute(env["CACHE_DIRECTORY"]?.split(":", 1)[0]);
  if (told !== undefined) return told;
  if (uid === 0) return "/var/cache/trace-agent";
  const home = absolute(env["HOME"]);
  const base = absolute(env["XDG_CACHE_HOME"]) ?? (home === undefined ? undefined : `${home}/.cache`);
  return base === undefined ? undefined : `${base}/trace-agent`;
}

export class SymbolCache {
  readonly #directory: Directory;

  private constructor(directory: Directory) {
    this.#directory = directory;
  }

  /** Undefined where there is no place for it. The caller closes it. */
  static open(path: string | undefined): SymbolCache | undefined {
    if (path === undefined) return undefined;
    try {
      return new SymbolCache(openOwn(path));
    } catch (error) {
      log.debug(`symbols of guests are not kept in "${path}": ${messageOf(error)}`);
      return undefined;
    }
  }

  /** The body of a `sections` reply that was kept under this key. Only its bytes are known to be whole: it is parsed like any other. */
  read(key: SymbolsKey): Uint8Array | undefined {
    const name = nameOf(key);
    try {
      if (this.#directory.statusOf(name) === undefined) return undefined;
      return unpack(this.#directory.read(name, protocolLimits.metadataPackedBytes), key);
    } catch (error) {
      log.debug(`symbols kept in "${this.#directory.path}/${name}" are not used: ${messageOf(error)}`);
      return undefined;
    }
  }

  /**
   * Keeps a body, and drops the oldest where there would be too many of its guest, or too much in all. A failure costs only time, at the
   * next recording.
   */
  async write(key: SymbolsKey, body: Uint8Array): Promise<void> {
    const name = nameOf(key);
    let file: OutputFile | undefined;
    try {
      const packed = await pack(key, body);
      if (packed.length > protocolLimits.metadataPackedBytes) return;
      this.#makeRoom(packed.length, name);
      file = new OutputFile(OutputPlace.in(this.#directory, name));
      file.write(packed);
      file.finish();
      // Another recorder may have written meanwhile.
      this.#makeRoom(packed.length, name);
    } catch (error) {
      log.debug(`symbols are not kept: ${messageOf(error)}`);
    } finally {
      file?.abandon();
    }
  }

  close(): void {
    this.#directory.close();
  }

  /** For `bytes` under `name`. Files that are not ours are left alone and not counted. */
  #makeRoom(bytes: number, name: string): void {
    const guest = guestIn(name);
    const kept = this.#directory
      .list()
      .filter((other) => ourName.test(other) && other !== name)
      .map((other) => ({ name: other, status: this.#directory.statusOf(other) }))
      .sort((a, b) => (b.status?.mtimeMs ?? 0) - (a.status?.mtimeMs ?? 0));
    let [sum, ofGuest] = [bytes, 1];
    for (const { name: other, status } of kept) {
      sum += status?.size ?? 0;
      // Most of a guest's are of earlier boots, which never come again; nor shall one that has others each time cost the rest theirs.
      const isOneMore = guestIn(other) === guest && ++ofGuest > hostLimits.symbolsOfGuest;
      if (isOneMore || sum > hostLimits.symbolCacheBytes) this.#directory.remove(other);
      if (isOneMore) sum -= status?.size ?? 0;
    }
  }
}

/** Made where only its last part is missing. Throws where anybody else could write there. */
function openOwn(path: string): Directory {
  const at = path.replace(/\/+$/, "").lastIndexOf("/");
  const parent = Directory.openToRead(path.slice(0, at) || "/");
  try {
    const name = path.slice(at + 1).replace(/\/+$/, "");
    makeMissing(parent, name);
    const own = new Directory(parent.child(name).fd, path);
    const { uid, mode } = own.status;
    if (uid === process.geteuid?.() && (mode & 0o022) === 0) return own;
    own.close();
    throw new Error(uid === process.geteuid?.() ? "others may write there" : `it belongs to user ${uid}`);
  } finally {
    parent.close();
  }
}

function makeMissing(parent: Directory, name: string): void {
  try {
    parent.makeDirectory(name, 0o700);
  } catch (error) {
    if (!(error instanceof SystemError) || error.errno !== E.EEXIST) throw error;
  }
}

function nameOf(key: SymbolsKey): string {
  return `symbols-${sha256(key.guest).slice(0, 16)}-${sha256(keyText(key)).slice(0, 32)}`;
}

function guestIn(name: string): string {
  return ourName.exec(name)?.[1] ?? "";
}

/** The same for the same key, whatever the order of its fields. */
function keyText({ guest, bootId, modules, kptrRestrict, printkBytes }: SymbolsKey): string {
  return JSON.stringify([guest, bootId, modules, kptrRestrict, printkBytes]);
}

/** Against damage; nobody else may write there. A tenth of the time of sha256. */
function sumOf(bytes: Uint8Array): string {
  return Bun.hash.xxHash64(bytes).toString(16);
}

/** In another thread: other guests are served meanwhile. */
async function pack(key: SymbolsKey, body: Uint8Array): Promise<Buffer> {
  const head: Head = { version: 2, key, bytes: body.length, sum: sumOf(body) };
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), await Bun.zstdCompress(body, { level: 1 })]);
}

function unpack(file: Buffer, key: SymbolsKey): Uint8Array {
  const end = file.subarray(0, headBytesMax).indexOf(newline);
  if (end < 0) throw new Error("it has no first line");
  const head = parseBoundedJson(file.toString("utf8", 0, end), headBounds);
  if (!isHead(head) || keyText(head.key) !== keyText(key)) throw new Error("it was kept for something else");
  if (head.bytes > protocolLimits.metadataBytes) throw new Error("it is too large");
  const body = unzstd(new Uint8Array(file.subarray(end + 1)), head.bytes);
  if (body.length !== head.bytes || sumOf(body) !== head.sum) throw new Error("it is damaged");
  return body;
}

function isHead(value: unknown): value is Head {
  if (typeof value !== "object" || value === null) return false;
  const { version, key, bytes, sum }: Record<string, unknown> = { ...value };
  return (
    version === 2 &&
    typeof key === "object" &&
    key !== null &&
    typeof bytes === "number" &&
    Number.isSafeInteger(bytes) &&
    bytes > 0 &&
    typeof sum === "string"
  );
}
