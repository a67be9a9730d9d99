/** Pages in a browser: what a reader does in them. */
import { describe, expect, setDefaultTimeout } from "bun:test";
import type { Page } from "playwright-core";
import type { RecordedAbout } from "../../../src/trace-dat/parts.ts";
import { type MadeSched, type MadeTask, madeMachine, madeMetadata } from "../../support/made-machine.ts";
import { makePage, spanInView, untilInPage } from "../../support/made-page.ts";
import { makeVcpus } from "../../support/made-vcpus.ts";
import { pageTests } from "../../support/page-test.ts";
import { openedGuest, openedHost } from "../vcpus/opened.ts";

/** A browser takes long to start, and to draw, on a loaded machine. */
setDefaultTimeout(300_000);

const inBrowser = await pageTests();

const idle: MadeTask = { pid: 0, comm: "swapper" };
const [asleep, preempted] = [1, 0x100];

/** web (pid 7) is woken at 1 ms, and waits until 6 ms since hog (pid 8) runs on; then events of CPU 1 are lost. */
const delayed: MadeSched[] = [
  { time: 100_000, cpu: 0, by: 0, prev: idle, state: 0, next: { pid: 8, comm: "hog" } },
  { time: 100_000, cpu: 1, by: 0, prev: idle, state: 0, next: { pid: 9, comm: "waker" } },
  { time: 1_000_000, cpu: 1, by: 9, wakes: { pid: 7, comm: "web" }, target: 0 },
  { time: 7_000_000, cpu: 1, by: 9, prev: { pid: 9, comm: "waker" }, state: asleep, next: idle },
  { time: 6_000_000, cpu: 0, by: 8, prev: { pid: 8, comm: "hog" }, state: preempted, next: { pid: 7, comm: "web" } },
  { time: 8_000_000, cpu: 0, by: 7, prev: { pid: 7, comm: "web" }, state: asleep, next: { pid: 8, comm: "hog" } },
  { time: 9_000_000, cpu: 1, by: 0, lost: true, prev: idle, state: 0, next: { pid: 9, comm: "waker" } },
  { time: 10_000_000, cpu: 1, by: 9, prev: { pid: 9, comm: "waker" }, state: asleep, next: idle },
  { time: 10_000_000, cpu: 0, by: 8, prev: { pid: 8, comm: "hog" }, state: asleep, next: idle },
];
const formats = madeMetadata.formats.map(({ system, text }) => ({
  system,
  text: text.replace('"%d", REC->pid', '"comm=%s pid=%d", REC->comm, REC->pid'),
}));
const delayedPage = (): string => makePage([{ machine: "", source: madeMachine(delayed, { formats }) }]).html;

const chosen = async (page: Page): Promise<string> => await page.innerText(".chosen");

describe("a page", () => {
  inBrowser("leads from a wait to whom it waited for, by a click", delayedPage, async ({ page }) => {
    const [wait] = await page.getByRole("listitem").all();
    expect(await wait?.innerText()).toContain("5.000 ms web-7");
    await page.getByRole("button", { name: "5.000 ms web-7" }).first().click();
    expect(await chosen(page)).toContain("web-7");
    expect(await chosen(page)).toContain("waker-9 on CPU 1");
    await page.getByRole("listitem").getByRole("button", { name: "hog-8 5.000 ms" }).first().click();
    expect(await page.innerText(".chosen h2")).toBe("hog-8");
    expect(await spanInView(page)).toBeLessThan(10_000_000);
  });

  inBrowser("is read by keys alone", delayedPage, async ({ page }) => {
    const whole = await spanInView(page);
    await page.focus(".stage");
    await page.keyboard.press("w");
    const near = await spanInView(page);
    expect(near).toBeLessThan(0.8 * whole);
    const before = await page.textContent(".in-view");
    await page.keyboard.press("d");
    expect(await page.textContent(".in-view")).not.toBe(before);
    await page.keyboard.press("0");
    expect(await spanInView(page)).toBe(whole);
    await page.keyboard.press("ArrowDown");
    const names: string[] = [];
    for (let count = 0; count < 3; count++) {
      await page.keyboard.press("ArrowRight");
      names.push(await page.innerText(".chosen h2"));
    }
    expect(names.at(-1)).toBe("hog-8");
    await page.keyboard.press("ArrowLeft");
    expect(await page.innerText(".chosen h2")).toBe("web-7");
    await page.keyboard.press("Enter");
    expect(await page.innerText(".chosen h2")).toBe("hog-8");
    await page.keyboard.press("f");
    expect(await spanInView(page)).toBeLessThan(whole);
    await page.keyboard.press("Escape");
    expect(await page.locator(".chosen h2").count()).toBe(0);
    await page.keyboard.press("/");
    await page.keyboard.type("WAKER");
    expect(await page.textContent("output")).toBe("1 tasks, 2 runs");
    await page.keyboard.press("Enter");
    expect(await page.innerText(".chosen h2")).toBe("waker-9");
  });

  inBrowser("shows where events were lost, in the picture and in the figures", delayedPage, async ({ page }) => {
    expect(await page.innerText(".facts")).toContain("an unknown number");
    expect(await page.innerText(".legend")).toContain("events lost");
    const box = await page.locator(".stage").boundingBox();
    if (box === null) throw new Error("no timeline");
    const rem = 16;
    // CPU 1 is the second row; the loss is from 7 ms to 9 ms of 0.1 to 10 ms, behind names of 6 rem.
    const x = 6 * rem + (box.width - 6 * rem) * 0.85;
    await page.mouse.click(box.x + x, box.y + (1.75 + 2.3 + 0.8) * rem);
    expect(await chosen(page)).toContain("Events were lost");
    // Above it hog runs on.
    await page.mouse.click(box.x + x, box.y + (1.75 + 0.8) * rem);
    expect(await page.innerText(".chosen h2")).toBe("hog-8");
  });

  inBrowser(
    "shows a loss before a CPU's first event from the beginning on",
    () =>
      makePage([
        {
          machine: "",
          source: madeMachine(delayed.filter(({ cpu, time }) => cpu === 0 || time >= 9_000_000)),
        },
      ]).html,
    async ({ page }) => {
      const box = await page.locator(".stage").boundingBox();
      if (box === null) throw new Error("no timeline");
      await page.mouse.click(box.x + 16 * 6 + (box.width - 16 * 6) * 0.4, box.y + (1.75 + 2.3 + 0.8) * 16);
      expect(await chosen(page)).toContain("Events were lost");
      expect(await chosen(page)).toContain("0.000100000 s");
    },
  );

  inBrowser(
    "zooms with the wheel, moves with a drag, and shows what a drag on its axis encloses",
    delayedPage,
    async ({ page }) => {
      const whole = await spanInView(page);
      const box = await page.locator(".stage").boundingBox();
      if (box === null) throw new Error("no timeline");
      const [x, y] = [box.x + box.width / 2, box.y + 60];
      await page.mouse.move(x, y);
      await page.keyboard.down("Control");
      await page.mouse.wheel(0, -400);
      await page.keyboard.up("Control");
      await untilInPage(
        page,
        `!document.querySelector(".in-view").textContent.startsWith("${(whole / 1e6).toFixed(3)}")`,
      );
      const near = await spanInView(page);
      expect(near).toBeLessThan(whole);
      const before = await page.textContent(".in-view");
      await page.mouse.down();
      await page.mouse.move(x - 100, y, { steps: 4 });
      await page.mouse.up();
      expect(await page.textContent(".in-view")).not.toBe(before);
      expect(await spanInView(page)).toBe(near);
      await page.mouse.move(x, box.y + 10);
      await page.mouse.down();
      await page.mouse.move(x + 100, box.y + 10, { steps: 4 });
      expect(await page.innerText(".selection")).toMatch(/^[\d.]+ (µs|ms)$/);
      expect(await page.innerText(".cursor")).toMatch(/^0\.00\d{7} s$/);
      await page.mouse.up();
      expect(await page.locator(".selection").isVisible()).toBe(false);
      expect(await spanInView(page)).toBeLessThan(near / 2);
    },
  );

  inBrowser("tells what an event says, and finds events by it", delayedPage, async ({ page }) => {
    await page.fill("#search", "web");
    expect(await page.textContent("output")).toBe("1 tasks, 1 runs, 1 events");
    await page.fill("#search", "sched_waking");
    expect(await page.textContent("output")).toBe("1 events");
    await page.press("#search", "Enter");
    expect(await page.innerText(".chosen h2")).toBe("sched_waking");
    expect(await chosen(page)).toContain("comm=web pid=7");
    await page.fill("#search", "no such thing");
    expect(await page.textContent("output")).toBe("none found");
  });

  const about = (segment: number): RecordedAbout => ({
    file: "d",
    path: `d/${segment}.dat`,
    machine: "vm1",
    kind: "guest",
    segment,
    session: "2026-11-30T08:00:00.000Z",
  });
  inBrowser(
    "shows recordings of a machine, one after the other, in the same rows",
    () =>
      makePage([
        { machine: "vm1", source: madeMachine(delayed), about: about(1) },
        { machine: "vm1", source: madeMachine(delayed, { epoch: 20_000_000n }), about: about(2) },
      ]).html,
    async ({ page }) => {
      // An axis, a heading, and a row for each of two CPUs.
      const box = await page.locator(".stage").boundingBox();
      expect(box?.height).toBeCloseTo(16 * (1.75 + 1.75 + 2 * 2.3) + 2, 0);
      await page.focus(".stage");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowLeft");
      expect(await chosen(page)).toMatch(/^hog-8[^]*from\s+0\.008/);
      await page.keyboard.press("ArrowRight");
      expect(await chosen(page)).toMatch(/^hog-8[^]*from\s+0\.0201/);
      await page.keyboard.press("ArrowLeft");
      expect(await chosen(page)).toMatch(/^hog-8[^]*from\s+0\.008/);
      expect(await page.innerText("#page")).toContain("vm1, from 0.020");
    },
  );

  inBrowser(
    "has tables for who does not see it, and stays readable at four times the size",
    delayedPage,
    async ({ page }) => {
      await page.getByText("What is in view, as a table").click();
      const table = page.getByRole("table", { name: /runs in view/ });
      await table.waitFor();
      expect(await table.getByRole("row").count()).toBe(6);
      await table.getByRole("button", { name: "web-7" }).click();
      expect(await page.innerText(".chosen h2")).toBe("web-7");
      expect(await page.getByRole("application", { name: "Timeline" }).count()).toBe(1);
      const wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
      expect(wide).toBeLessThanOrEqual(0);
    },
    { width: 320, height: 225 },
  );

  inBrowser("follows the reader's light or dark setting", delayedPage, async ({ page }) => {
    const pixel = async (): Promise<number> =>
      Number(
        await page.evaluate(
          `new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
             const canvas = document.querySelector(".stage canvas");
             resolve(canvas.getContext("2d").getImageData(2, 40, 1, 1).data[0]);
           })))`,
        ),
      );
    expect(await pixel()).toBeGreaterThan(200);
    await page.emulateMedia({ colorScheme: "dark" });
    await untilInPage(page, "getComputedStyle(document.documentElement).backgroundColor === 'rgb(20, 23, 28)'");
    expect(await pixel()).toBeLessThan(60);
  });

  const world = makeVcpus({ seconds: 0.2 });
  const machinesPage = (): string => makePage([openedHost(world.host), openedGuest(world.guest)]).html;
  inBrowser("shows a host and its guest on one timeline, and who delayed the guest", machinesPage, async ({ page }) => {
    expect(await page.innerText(".legend")).toContain("the vCPU waited for its host");
    const stalls = page.locator("section", { hasText: "When vm1 was delayed by its host" });
    const first = stalls.getByRole("listitem").first();
    expect(await first.innerText()).toContain("meanwhile the host's CPU");
    await first.getByRole("button", { name: /vCPU/ }).click();
    expect(await page.innerText(".chosen h2")).toMatch(/^vCPU \d waited for a CPU of its host$/);
    await page.locator(".chosen").getByRole("button", { name: "hog-200" }).click();
    expect(await page.innerText(".chosen h2")).toBe("hog-200");
    expect(await chosen(page)).toContain("host, CPU");
  });

  inBrowser(
    "says so where there is nothing",
    () => makePage([{ machine: "", source: madeMachine([]) }]).html,
    async ({ page }) => {
      expect(await page.innerText("#page")).toContain("holds no events that a timeline can show");
      expect(await page.locator(".stage").count()).toBe(0);
    },
  );
});
