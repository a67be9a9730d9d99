/** Where recorders that run are found, and by whom. */
import { describe, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { chownSync, mkdirSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { listRecorders, registerRecorder } from "../../../src/host/control/registry.ts";
import { controlWorld } from "../../support/control-world.ts";
import { mallory, theirLink } from "../../support/other-user.ts";
import { testUnless } from "../../support/test-unless.ts";

setDefaultTimeout(300_000);
const notRoot = process.geteuid?.() === 0 ? undefined : "needs root";
const { base, newDirectory, serve } = controlWorld();

describe("the list of recorders", () => {
  testUnless(notRoot, "names those that listen, and forgets those that were killed", () => {
    const folder = `${base}/recorders`;
    const [alive, dead] = [newDirectory("alive"), newDirectory("killed")];
    const server = serve(alive);
    registerRecorder(dead.path, dead.status, folder);
    const unregister = registerRecorder(alive.path, alive.status, folder);
    expect(listRecorders(folder)).toEqual([{ path: alive.path }]);
    expect(readdirSync(folder)).toEqual([`${alive.status.dev}-${alive.status.ino}`]);
    unregister();
    expect(listRecorders(folder)).toEqual([]);
    server.close();
  });

  testUnless(notRoot, "has for root those of users, where all on the way belongs to them", () => {
    const users = `${base}/user`;
    const links = `${users}/${mallory.uid}/trace-agent/recorders`;
    const [ours, theirs, trap] = ["ours", "theirs", "trap"].map((name) => newDirectory(name));
    if (ours === undefined || theirs === undefined || trap === undefined) throw new Error("three directories");
    const servers = [ours, theirs].map((one) => serve(one));
    mkdirSync(links, { recursive: true });
    for (const [name, target] of Object.entries({ ours, theirs, trap })) theirLink(`${links}/${name}`, target.path);
    // A socket that leads to one of root's.
    theirLink(`${trap.path}/.control`, `${ours.path}/.control`);
    const listed = (): unknown => listRecorders(`${base}/none`, users);
    expect(listed()).toEqual([]);
    const give = (path: string): void => chownSync(path, mallory.uid, mallory.gid);
    for (const path of [theirs.path, `${theirs.path}/.control`, trap.path]) give(path);
    for (const path of [`${users}/${mallory.uid}`, dirname(links)]) give(path);
    expect(listed()).toEqual([]);
    give(links);
    expect(listed()).toEqual([{ path: theirs.path, uid: mallory.uid }]);
    for (const server of servers) server.close();
  });

  testUnless(notRoot, "has for users those of root, too", () => {
    const [folder, empty] = [`${base}/of-root`, `${base}/none`];
    const shared = newDirectory("shared");
    const server = serve(shared);
    const umask = process.umask(0o077);
    mkdirSync(folder);
    registerRecorder(shared.path, shared.status, `${folder}/recorders`);
    process.umask(umask);
    const modes = [folder, `${folder}/recorders`].map((path) => statSync(path).mode & 0o777);
    expect(modes).toEqual([0o711, 0o755]);
    const user = spyOn(process, "geteuid").mockReturnValue(mallory.uid);
    const listed = listRecorders(undefined, empty, `${folder}/recorders`);
    user.mockRestore();
    expect(listed).toEqual([{ path: shared.path }]);
    server.close();
  });

  test("is of a user's own in the user's directory for what runs", () => {
    const { path, status: found } = newDirectory("runtime");
    const user = spyOn(process, "geteuid").mockReturnValue(mallory.uid);
    process.env["XDG_RUNTIME_DIR"] = path;
    const unregister = registerRecorder(path, found);
    user.mockRestore();
    delete process.env["XDG_RUNTIME_DIR"];
    const [link = ""] = readdirSync(`${path}/trace-agent/recorders`);
    expect(readlinkSync(`${path}/trace-agent/recorders/${link}`)).toBe(path);
    unregister();
  });
});
