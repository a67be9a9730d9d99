import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { AgentError } from "../../src/base/errors.ts";
import { formatCpuList, parseCpuList } from "../../src/tracefs/cpu-list.ts";
import { tracedCpus } from "../../src/tracefs/cpus.ts";

describe("CPU lists", () => {
  test("parseCpuList() reads what the kernel writes", () => {
    expect(parseCpuList("0-3,8\n")).toEqual([0, 1, 2, 3, 8]);
    expect(parseCpuList("0")).toEqual([0]);
    expect(parseCpuList("")).toEqual([]);
    expect(parseCpuList("3,1,1-2")).toEqual([1, 2, 3]);
    expect(parseCpuList("5-5,4095")).toEqual([5, 4095]);
  });

  test.each(["a", "1-", "-1", "3-1", "1,,x", "4096", "0-99999", "1 2", "1-2-3", "0x1"])(
    "parseCpuList(%p) is a usage error that quotes it",
    (text) => {
      expect(() => parseCpuList(text)).toThrow(AgentError);
      expect(() => parseCpuList(text)).toThrow(JSON.stringify(text));
    },
  );

  test("formatCpuList() and parseCpuList() undo each other", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(300), { minLength: 1 }), (cpus) => {
        expect(parseCpuList(formatCpuList(cpus))).toEqual(cpus.toSorted((a, b) => a - b));
      }),
    );
    expect(formatCpuList([])).toBe("none");
    expect(formatCpuList([0, 1, 2, 5])).toBe("0-2,5");
  });
});

test("tracedCpus() are those of per_cpu by their numbers, however the directory lists them", () => {
  const directory = mkdtempSync(join(tmpdir(), "ta-cpus-"));
  try {
    for (let index = 0; index < 12; index++)
      mkdirSync(join(directory, "per_cpu", `cpu${(index * 5) % 12}`), { recursive: true });
    mkdirSync(join(directory, "per_cpu/cpux"));
    expect(tracedCpus(directory)).toEqual(Array.from({ length: 12 }, (_, cpu) => cpu));
  } finally {
    rmSync(directory, { recursive: true });
  }
});
