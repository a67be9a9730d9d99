import { expect, test } from "bun:test";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { reserveSpace, startWriteback } from "../../ffi/file-space.ts";

function withFile(directory: string, use: (fd: number, path: string) => void): void {
  const path = `${directory}/file`;
  const fd = openSync(path, "wx");
  try {
    use(fd, path);
  } finally {
    closeSync(fd);
  }
}

function withDirectory(use: (directory: string) => void): void {
  const directory = mkdtempSync(`${tmpdir()}/file-space-`);
  try {
    use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("reserveSpace() keeps the file's size, and what is written there is in it", () => {
  withDirectory((directory) => {
    withFile(directory, (fd, path) => {
      reserveSpace(fd, 0, 1 << 20);
      expect(statSync(path).size).toBe(0);
      writeSync(fd, "abc");
      startWriteback(fd, 0, 3);
      expect(readFileSync(path, "latin1")).toBe("abc");
    });
  });
});

test("reserveSpace() says ENOSPC when the file system has not so much", () => {
  withDirectory((directory) => {
    const small = `${directory}/small`;
    mkdirSync(small);
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small]);
    if (mounted.exitCode !== 0) return console.log("skipped: a full file system (no right to mount)");
    try {
      withFile(small, (fd) => {
        expect(() => reserveSpace(fd, 0, 1 << 20)).toThrow(/fallocate\(\d+, 1048576 bytes\): ENOSPC, no space left on device/);
        reserveSpace(fd, 0, 32 << 10);
      });
    } finally {
      Bun.spawnSync(["umount", small]);
    }
  });
});

test("neither minds a file that cannot be reserved or written back", () => {
  const fd = openSync("/dev/null", "w");
  reserveSpace(fd, 0, 4096);
  reserveSpace(fd, 0, 0);
  startWriteback(fd, 0, 4096);
  closeSync(fd);
});
