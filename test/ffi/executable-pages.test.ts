import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { releaseExecutablePages } from "../../ffi/executable-pages.ts";

/** Of what is mapped of the executable, and cannot be written to. */
function residentKiB(): number {
  const mappings = readFileSync("/proc/self/smaps", "latin1").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const own = mappings.filter((text) => /^\S+ r-[x-]p /.test(text) && text.includes(` ${process.execPath}\n`));
  return own.reduce((sum, text) => sum + Number(/^Rss: +(\d+) kB$/m.exec(text)?.[1]), 0);
}

test("releaseExecutablePages() gives back what only the start used of the executable, which goes on", () => {
  // What this function and the next need is mapped already when it is measured.
  releaseExecutablePages();
  const text = JSON.stringify(Array.from({ length: 1_000 }, (_, index) => ({ index, name: `${index}`.padStart(8) })));
  const sorted = (JSON.parse(text) as { name: string }[]).toSorted((a, b) => b.name.localeCompare(a.name, "de"));
  expect(sorted[0]?.name).toBe("     999");
  const used = residentKiB();
  releaseExecutablePages();
  expect(residentKiB()).toBeLessThan(used);
});
