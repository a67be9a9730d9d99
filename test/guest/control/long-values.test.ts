import { describe, expect, test } from "bun:test";
import { LongValues } from "../../../src/guest/control/long-values.ts";
import { protocolLimits } from "../../../src/protocol/limits.ts";

describe("LongValues", () => {
  test("joins the parts of each key, and forgets them when they were taken", () => {
    const values = new LongValues();
    values.add("events", "a:b");
    values.add("filter", "x");
    values.add("events", "c:d");
    expect(values.take("events")).toBe("a:b c:d");
    expect(() => values.take("events")).toThrow("no part of it came");
    expect(values.take("filter")).toBe("x");
  });

  test("holds no more than the bound, and gives none of a value that is longer", () => {
    const values = new LongValues();
    const part = "x".repeat(16_000);
    const add = (): void => {
      for (let chars = 0; chars <= protocolLimits.settingChars; chars += part.length) values.add("events", part);
    };
    expect(add).toThrow("longer than");
    expect(() => values.add("events", "y")).toThrow("longer than");
    expect(() => values.take("events")).toThrow("longer than");
    values.add("events", "z");
    expect(values.take("events")).toBe("z");
  });

  test("forgets all for another session", () => {
    const values = new LongValues();
    values.add("events", "a");
    values.forget();
    expect(() => values.take("events")).toThrow("no part");
  });
});
