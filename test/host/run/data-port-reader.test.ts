/** A stream that is kept in pieces: the one that is filled can be read meanwhile. */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { closeFd, O, openFd, readAt, writeFrom } from "../../../ffi/fd.ts";
import { makePipe } from "../../../ffi/pipe.ts";
import { DataPortReader } from "../../../src/host/run/data-port-reader.ts";

const pieceBytes = 8;

test("openPiece() gives the piece that is filled, not one of before, and none of a reader that is closed", () => {
  const folder = mkdtempSync(`${tmpdir()}/ta-data-port-reader-`);
  const { read, write } = makePipe();
  const reader = new DataPortReader(0, read, undefined);
  const present = (index: number): string | undefined => {
    const fd = reader.openPiece(index);
    if (fd === undefined) return undefined;
    const bytes = new Uint8Array(new ArrayBuffer(pieceBytes));
    const count = readAt(fd, bytes, 0);
    closeFd(fd);
    return Buffer.from(bytes.subarray(0, count)).toString();
  };
  try {
    expect(present(0)).toBeUndefined();
    reader.spoolInPieces(pieceBytes, (index) => openFd(`${folder}/${index}`, O.RDWR | O.CREAT, 0o600));
    writeFrom(write, new Uint8Array(Buffer.from("abc")));
    reader.move();
    expect(present(0)).toBe("abc");
    expect(present(1)).toBeUndefined();
    // A reading in between does not move the place where it is filled.
    writeFrom(write, new Uint8Array(Buffer.from("defghij")));
    while (reader.received < 10) reader.move();
    expect(present(0)).toBeUndefined();
    expect(present(1)).toBe("ij");
    expect(readFileSync(`${folder}/0`, "latin1") + readFileSync(`${folder}/1`, "latin1")).toBe("abcdefghij");
  } finally {
    reader.close();
    expect(reader.openPiece(1)).toBeUndefined();
    closeFd(write);
    rmSync(folder, { recursive: true });
  }
});
