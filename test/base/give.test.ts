import { expect, test } from "bun:test";
import { openFd, closeFd, O } from "../../ffi/fd.ts";
import { give } from "../../src/base/give.ts";

test("give() takes a file system that keeps its own owner and mode, unless a group was asked for", () => {
  // An fd of O_PATH takes no change, as a file on such a file system.
  const fd = openFd("/tmp", O.PATH);
  try {
    expect(() => give(fd, undefined, undefined, 0o600)).not.toThrow();
    expect(() => give(fd, 0, undefined, 0o600)).not.toThrow();
    expect(() => give(fd, 0, 0, 0o640)).toThrow("EBADF");
  } finally {
    closeFd(fd);
  }
});
