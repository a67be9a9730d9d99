import { expect, test } from "bun:test";
import { executableMappings, releaseExecutablePages } from "../../ffi/executable-pages.ts";

const residentKiB = (): number => executableMappings().reduce((sum, mapping) => sum + mapping.residentKiB, 0);

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
