/** Directories in which recorders' control sockets listen, in the process of a test. */
import { afterAll, afterEach } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { Directory } from "../../src/base/directory.ts";
import { type ControlAnswer, ControlServer } from "../../src/host/control/control-server.ts";
import type { ControlStatus } from "../../src/host/control/messages.ts";

export const controlStatus: ControlStatus = {
  version: "1",
  pid: 7,
  directory: "/x",
  started: "2026-01-01T00:00:00.000Z",
  state: "recording",
  mode: "whole",
  diskBytes: 0,
  spoolBytes: 0,
  snapshots: {},
  machines: [],
};

export type ControlWorld = {
  readonly base: string;
  newDirectory: (name: string) => Directory;
  serve: (directory: Directory, answer?: ControlAnswer, group?: number) => ControlServer;
  /** Until the end of the test. */
  closes: (one: { close: () => void }) => void;
};

/** Of a file of tests: what is opened is closed with each test. */
export function controlWorld(): ControlWorld {
  const base = mkdtempSync(`${tmpdir()}/ta-control-`);
  const opened: { close: () => void }[] = [];
  afterEach(() => {
    for (const one of opened.splice(0).reverse()) one.close();
  });
  afterAll(() => rmSync(base, { recursive: true }));
  return {
    base,
    newDirectory: (name) => {
      const path = `${base}/${name}`;
      mkdirSync(path, { recursive: true });
      const directory = Directory.openToRead(path);
      opened.push(directory);
      return directory;
    },
    serve: (directory, answer = () => ({ reply: "status", status: controlStatus }), group) => {
      const server = ControlServer.open(directory, group, answer);
      if (server === undefined) throw new Error("it does not listen");
      opened.push(server);
      return server;
    },
    closes: (one) => void opened.push(one),
  };
}
