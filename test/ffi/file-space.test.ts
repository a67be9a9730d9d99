import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { reserveSpace, startWriteback } from "../../ffi/file-space.ts";
import { whyNoSmallDisk, withSmallDisk } from "../support/small-disk.ts";
import { testUnless } from "../support/test-unless.ts";

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

testUnless(whyNoSmallDisk(), "reserveSpace() says ENOSPC when the file system has not so much", () =>
  withSmallDisk("64k", (small) =>
    withFile(small, (fd) => {
      expect(() => reserveSpace(fd, 0, 1 << 20)).toThrow(
        /fallocate\(\d+, 1048576 bytes\): ENOSPC, no space left on device/,
      );
      reserveSpace(fd, 0, 32 << 10);
    }),
  ),
);

test("neither minds a file that cannot be reserved or written back", () => {
  const fd = openSync("/dev/null", "w");
  reserveSpace(fd, 0, 4096);
  reserveSpace(fd, 0, 0);
  startWriteback(fd, 0, 4096);
  closeSync(fd);
});
