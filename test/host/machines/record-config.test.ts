/** `record --config FILE`: what it sets on each machine, and what it refuses. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { endsGuests, newWorld, sessionOf, startGuests, statesOf, type World } from "../../support/fake-machines.ts";
import { traceAgent } from "../../support/recorder-process.ts";

setDefaultTimeout(300_000);
endsGuests();

const files = {
  "events/test/mark/format": 'name: mark\nID: 9\nformat:\n\nprint fmt: ""\n',
  "events/test/note/format": 'name: note\nID: 10\nformat:\n\nprint fmt: ""\n',
};

function configOf(world: World, text: string, name = "record.toml"): string {
  const path = `${world.folder}/${name}`;
  writeFileSync(path, text);
  return path;
}

/** Values that each guest was ordered to set, but for what is put back at the end. */
async function guestsOf(world: World, names: readonly string[]): Promise<(name: string) => string[]> {
  const scripts = names.map((name) => [name, { files, ordersTo: `${world.folder}/${name}.orders` }]);
  await startGuests(world, Object.fromEntries(scripts) as Record<string, object>);
  return (name) => {
    const orders = readFileSync(`${world.folder}/${name}.orders`, "utf8").split("\n");
    return orders.slice(0, orders.indexOf("1")).filter((order) => /^set (?:buffer|clock|events)/.test(order));
  };
}

describe("record --config", () => {
  test("sets on each machine what the file says of it, and of all what it says of none", async () => {
    const world = newWorld();
    const orders = await guestsOf(world, ["vm1", "vm2"]);
    const path = configOf(
      world,
      `output = "${world.out}"
duration = 0.3
format = "v7"
event = "mark"
buffer-size = 512

[machines.vm1]
dir = "${world.guest("vm1")}"
clock = "mono"

[machines.vm2]
dir = "${world.guest("vm2")}"
event = [{ event = "test:*" }, { event = "mark", exclude = true }]
buffer-size = "2M"
`,
    );
    const end = await traceAgent("record", "--config", path);
    expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
    expect(statesOf(world)).toEqual({ vm1: ["vm1.dat whole 200"], vm2: ["vm2.dat whole 200"] });
    expect(orders("vm1")).toEqual(["set buffer_size_kb 512", "set clock mono", "set events test:mark"]);
    // The clock of a timeline, where none is named.
    expect(orders("vm2")).toEqual(["set buffer_size_kb 2048", "set clock mono_raw", "set events test:note"]);
    expect(readFileSync(`${world.out}/vm1.dat`).toString("latin1", 10, 11)).toBe("7");
  });

  test("of JSON; the command line counts more, and its guests are recorded instead of the file's", async () => {
    const world = newWorld();
    const orders = await guestsOf(world, ["vm1", "vm2"]);
    const config = {
      output: "/nowhere/at/all",
      duration: 100,
      machines: { vm1: { event: "mark", clock: "mono", "buffer-size": 512 }, vm3: { dir: "/nowhere" } },
    };
    const path = configOf(world, JSON.stringify(config), "record.json");
    const guests = [world.guest("vm1"), world.guest("vm2")];
    const end = await traceAgent("record", ...guests, "--config", path, "-C", "boot", "-d", "0.3", "-o", world.out);
    expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
    expect(sessionOf(world).machines.map(({ name }) => name)).toEqual(["vm1", "vm2"]);
    expect(orders("vm1")).toEqual(["set buffer_size_kb 512", "set clock boot", "set events test:mark"]);
    expect(orders("vm2")).toEqual(["set clock boot"]);
  });

  test("refuses a file that is none", async () => {
    expect(await traceAgent("record", "--config", "/dev/zero")).toMatchObject({ code: 74, stdout: "" });
    expect((await traceAgent("record", "--config", "/nowhere/x.toml")).stderr).toContain(
      'cannot read "/nowhere/x.toml"',
    );
  });
});
