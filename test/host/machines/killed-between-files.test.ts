/** A recorder that is killed while it makes the files of a guest whose clock stepped: all events are in files that session.json names, once. */
import { afterAll, afterEach, beforeAll, expect, mock, spyOn, test } from "bun:test";
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { Spool } from "../../../src/trace-dat/spool/spool.ts";
import { sessionOf } from "../../support/fake-machines.ts";
import { eventsOf, expectApart, type Left, leave, recover, recovered } from "./stepping-guest.ts";

const base = mkdtempSync(`${tmpdir()}/ta-between-files-`);
const made = `${base}/made`;
afterAll(() => rmSync(base, { recursive: true }));
beforeAll(() => recovered(made, left));
afterEach(() => mock.restore());

const eras = [
  { from: 0, to: 1, ahead: 5 },
  { from: 1, to: 2, ahead: 3 },
];
const left: Left = { eras, burstsAt: [0, 2] };

async function expectOnce(out: string): Promise<void> {
  const named = sessionOf({ out }).machines.flatMap(({ recordings }) => recordings.map(({ file }) => file));
  expect(
    readdirSync(out)
      .filter((name) => name.endsWith(".dat"))
      .toSorted(),
  ).toEqual(named.toSorted());
  expect(named).toEqual(["vm1.dat", "vm1-2.dat", "vm2.dat"]);
  await expectApart(out, eras, eventsOf(eras));
}

test.each([[["vm1.dat"]], [["vm1-2.dat"]], [["vm1.dat", "vm1-2.dat"]]])("with %j there", async (there) => {
  const out = `${base}/left-${there.join("-")}`;
  leave(out, left);
  for (const file of there) copyFileSync(`${made}/${file}`, `${out}/${file}`);
  // A later one that is not needed is of the same kill.
  copyFileSync(`${made}/vm1-2.dat`, `${out}/vm1-3.dat`);
  await recover(out);
  await expectOnce(out);
});

test("with all there and the spool too", async () => {
  const out = `${base}/spool`;
  leave(out, left);
  spyOn(Spool.prototype, "remove").mockImplementationOnce(() => {
    throw new Error("killed");
  });
  const killed = await recover(out).catch((error: unknown) => String(error));
  expect(killed).toContain("killed");
  await recover(out);
  await expectOnce(out);
  expect(readdirSync(out)).toContain("vm1.dat.spool");
});

test("a file of another recording stays", async () => {
  const out = `${base}/stays`;
  leave(out, left);
  copyFileSync(`${made}/vm2.dat`, `${out}/vm1-2.dat`);
  await recover(out);
  const [vm1] = sessionOf({ out }).machines;
  expect(vm1?.recordings.map(({ file }) => file)).toEqual(["vm1.dat", "vm1-3.dat"]);
  expect(readdirSync(out)).toContain("vm1-2.dat");
});
