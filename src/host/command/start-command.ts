/**
 * The other half of command.ts, in the process that becomes the command: it takes the command's user and looks whether the command can be
 * run, says so, waits until the recording runs, and executes it. All that the recorder's own runtime changed is put back first.
 *
 * Arguments and environment are the bytes that the recorder was given: /proc has them, where the runtime has letters.
 */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { E, errnoName } from "../../../ffi/errno.ts";
import { execute, setDescriptorLimit, setSignals } from "../../../ffi/exec.ts";
import { readInto, writeFrom } from "../../../ffi/fd.ts";
import { becomeUser } from "../../../ffi/identity.ts";
import { errnoOf } from "../../base/errors.ts";
import { foreignText } from "../../base/foreign-text.ts";
import { log } from "../../base/log.ts";
import { fds, type StartOrders } from "./orders.ts";

/** As a shell has them. */
const exitCodes = { notFound: 127, cannotRun: 126 };
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Does not return. */
export function startCommand({ recorder, runAs, ignoredSignals, descriptorLimit }: StartOrders): never {
  const argv = commandOf(recorder);
  const environment = withChanges(listOf(`/proc/${recorder}/environ`), runAs?.environment ?? {});
  if (runAs !== undefined) becomeUser(runAs);
  const path = findProgram(argv, environment);
  writeFrom(fds.ready, new Uint8Array([1]));
  waitForGo();
  setDescriptorLimit(descriptorLimit);
  setSignals(BigInt(`0x${ignoredSignals}`));
  const number = execute(path, argv, environment);
  // A script without "#!", as execvp(3) has it.
  if (number === E.ENOEXEC) execute(Buffer.from("/bin/sh"), [Buffer.from("sh"), path, ...argv.slice(1)], environment);
  return fail(exitCodes.cannotRun, argv, errnoName(number));
}

/** What stands behind the first "--" of the recorder's arguments: no option of ours takes that for its value. */
function commandOf(recorder: number): Uint8Array[] {
  const words = listOf(`/proc/${recorder}/cmdline`);
  return words.slice(words.findIndex((word) => word.toString("latin1") === "--") + 1);
}

/** Strings that each end with a NUL. */
function listOf(path: string): Buffer[] {
  const bytes = readFileSync(path);
  const words: Buffer[] = [];
  for (let start = 0, end: number; (end = bytes.indexOf(0, start)) >= 0; start = end + 1)
    words.push(bytes.subarray(start, end));
  return words;
}

function withChanges(environment: readonly Buffer[], changes: Record<string, string>): Buffer[] {
  const kept = environment.filter((entry) => !Object.hasOwn(changes, entry.toString("latin1").split("=", 1)[0] ?? ""));
  return [...kept, ...Object.entries(changes).map(([name, value]) => Buffer.from(`${name}=${value}`, "latin1"))];
}

/** By PATH, as a shell does; with the rights that the command will have. */
function findProgram(argv: readonly Uint8Array[], environment: readonly Buffer[]): Buffer {
  const [first = new Uint8Array(0)] = argv;
  const name = Buffer.from(first);
  const places = name.includes("/") ? [undefined] : pathOf(environment);
  let denied = false;
  for (const place of places) {
    const path =
      place === undefined
        ? name
        : Buffer.concat([place.length === 0 ? Buffer.from(".") : place, Buffer.from("/"), name]);
    try {
      if (name.length === 0) continue;
      if (!statSync(path).isFile()) {
        // A shell goes on along PATH, but says of a path what is wrong.
        if (place === undefined) fail(exitCodes.cannotRun, argv, "it is no program");
        continue;
      }
      accessSync(path, constants.X_OK);
      return path;
    } catch (error) {
      denied ||= errnoOf(error) === "EACCES";
    }
  }
  return denied
    ? fail(exitCodes.cannotRun, argv, "permission denied")
    : fail(exitCodes.notFound, argv, "command not found");
}

function pathOf(environment: readonly Buffer[]): Buffer[] {
  const entry = environment.find((variable) => variable.subarray(0, 5).toString("latin1") === "PATH=");
  const path = entry?.subarray(5) ?? Buffer.from(defaultPath);
  const places: Buffer[] = [];
  for (let start = 0; start <= path.length;) {
    const colon = path.indexOf(0x3a, start);
    const end = colon < 0 ? path.length : colon;
    places.push(path.subarray(start, end));
    start = end + 1;
  }
  return places;
}

/** A recorder that ends without a word takes its end of the pipe with it. */
function waitForGo(): void {
  const word = new Uint8Array(new ArrayBuffer(1));
  for (;;) {
    const count = readInto(fds.go, word);
    if (count === 1) return;
    if (count !== -E.EINTR) process.exit(0);
  }
}

function fail(code: number, [name = new Uint8Array(0)]: readonly Uint8Array[], why: string): never {
  log.error(`cannot run "${foreignText(Buffer.from(name).toString("latin1"))}": ${why}`);
  process.exit(code);
}
