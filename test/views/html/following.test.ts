/** Pages in a browser: a task is followed from CPU to CPU, and what a list or a search leaves open is said. */
import { expect, setDefaultTimeout } from "bun:test";
import type { Page } from "playwright-core";
import { type MadeSched, type MadeTask, madeMachine } from "../../support/made-machine.ts";
import { makePage, untilInPage } from "../../support/made-page.ts";
import { pageTests } from "../../support/page-test.ts";

/** A browser takes long to start, and to draw, on a loaded machine. */
setDefaultTimeout(300_000);

const testPage = await pageTests();
const inBrowser = (title: string, events: () => MadeSched[], work: (page: Page) => Promise<void>): void =>
  testPage(
    title,
    () => makePage([{ machine: "", source: madeMachine(events()) }]).html,
    ({ page }) => work(page),
  );

const idle: MadeTask = { pid: 0, comm: "swapper" };
const mover: MadeTask = { pid: 5, comm: "mover" };
const hog: MadeTask = { pid: 6, comm: "hog" };
const [asleep, ms] = [1, 1_000_000];
const run = (cpu: number, from: number, to: number, task: MadeTask): MadeSched[] => [
  { time: from * ms, cpu, by: 0, prev: idle, state: 0, next: task },
  { time: to * ms, cpu, by: task.pid, prev: task, state: asleep, next: idle },
];
/** mover runs on CPU 0, on CPU 1 and on CPU 0 again; the recording is 10 ms long. */
const moving = (): MadeSched[] => [
  ...run(0, 0, 2, mover),
  ...run(1, 3, 5, mover),
  ...run(0, 6, 8, mover),
  ...run(1, 6, 10, hog),
];

const chosen = async (page: Page): Promise<string> => await page.innerText(".chosen");
const [gutter, axis, row] = [6 * 16, 1.75 * 16, 2.3 * 16];

/** The colour of the picture at this time, so many px below the upper edge of a CPU's row. */
async function colourAt(page: Page, cpu: number, time: number, below: number): Promise<string> {
  const y = Math.round(axis + cpu * row + below);
  return await page.evaluate(`new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
    const canvas = document.querySelector(".stage canvas");
    const x = Math.round(${gutter} + (canvas.width - ${gutter}) * ${time / 10});
    resolve([...canvas.getContext("2d").getImageData(x, ${y}, 1, 1).data].join());
  })))`);
}

inBrowser(
  "follows a task to the CPUs on which it ran before and after, by keys and by clicks",
  moving,
  async (page) => {
    await page.fill("#search", "mover");
    await page.press("#search", "Enter");
    await page.fill("#search", "");
    expect(await chosen(page)).toContain("CPU 0");
    await page.focus(".stage");
    const places: string[] = [];
    for (const key of [".", ".", ".", ",", ","]) {
      await page.keyboard.press(key);
      const [, cpu = "", from = ""] = /CPU (\d)\s+from\s+0\.00(\d)/.exec(await chosen(page)) ?? [];
      places.push(`CPU ${cpu} at ${from} ms`);
    }
    expect(places).toEqual(["CPU 1 at 3 ms", "CPU 0 at 6 ms", "CPU 0 at 6 ms", "CPU 1 at 3 ms", "CPU 0 at 0 ms"]);
    await page.getByRole("button", { name: "after ›" }).click();
    expect(await chosen(page)).toMatch(/CPU 1\s+from\s+0\.003/);
    expect(await chosen(page)).toMatch(/‹ before on CPU 0 at 0\.000000000 s for 2\.000 ms/);
  },
);

inBrowser("marks all runs of the task that is chosen, and of no other", moving, async (page) => {
  // In the strip at the lower edge of a slice, where names are not.
  const [strip, hogs, movers] = [1.6 * 16, [1, 9] as const, [0, 7] as const];
  const before = await colourAt(page, ...movers, strip);
  await page.mouse.move(0, 0);
  const box = await page.locator(".stage").boundingBox();
  if (box === null) throw new Error("no timeline");
  await page.mouse.click(box.x + gutter + (box.width - gutter) * 0.4, box.y + axis + row + 16);
  expect(await page.innerText(".chosen h2")).toBe("mover-5");
  const accent = await colourAt(page, ...movers, strip);
  expect(accent).not.toBe(before);
  expect(await colourAt(page, 0, 1, strip)).toBe(accent);
  expect(await colourAt(page, ...hogs, strip)).not.toBe(accent);
  await page.focus(".stage");
  await page.keyboard.press("Escape");
  expect(await colourAt(page, ...movers, strip)).toBe(before);
});

inBrowser("goes on with the first thing that was found after the last one", moving, async (page) => {
  await page.fill("#search", "mover");
  const seen: string[] = [];
  for (let count = 0; count < 4; count++) {
    await page.press("#search", "Enter");
    seen.push(/from\s+0\.00(\d)/.exec(await chosen(page))?.[1] ?? "");
  }
  await page.press("#search", "Shift+Enter");
  seen.push(/from\s+0\.00(\d)/.exec(await chosen(page))?.[1] ?? "");
  expect(seen).toEqual(["0", "3", "6", "0", "6"]);
});

inBrowser("names a task without its number where only that has room", moving, async (page) => {
  const labels = async (): Promise<string[]> =>
    await page.evaluate(`new Promise((resolve) => {
      const seen = new Set();
      const { prototype } = CanvasRenderingContext2D;
      const { fillText } = prototype;
      prototype.fillText = function (text, ...rest) { seen.add(text); fillText.call(this, text, ...rest); };
      dispatchEvent(new Event("resize"));
      document.querySelector(".stage").dispatchEvent(new Event("scroll"));
      requestAnimationFrame(() => requestAnimationFrame(() => { prototype.fillText = fillText; resolve([...seen]); }));
    })`);
  expect(await labels()).toContain("mover-5");
  // A fifth of the width for a run of 2 ms: some 50 px.
  await page.setViewportSize({ width: 360, height: 700 });
  await untilInPage(page, "document.querySelector('.stage canvas').width < 360");
  const narrow = await labels();
  expect(narrow).toContain("mover");
  expect(narrow).not.toContain("mover-5");
});

/** late waits for CPU 0 while two others take turns there, more often than is remembered. */
const crowded = (): MadeSched[] => {
  const [one, other, late] = [mover, hog, { pid: 7, comm: "late" }];
  const turns = 9_000;
  const events: MadeSched[] = [
    { time: 0, cpu: 0, by: 0, prev: idle, state: 0, next: one },
    { time: 100, cpu: 1, by: 0, wakes: late, target: 0 },
  ];
  for (let turn = 1; turn <= turns; turn++) {
    const [prev, next] = turn % 2 === 1 ? [one, other] : [other, one];
    events.push({ time: turn * 1_000, cpu: 0, by: prev.pid, prev, state: 0x100, next: turn === turns ? late : next });
  }
  return events;
};

inBrowser("says where not all is known of who ran while a task waited", crowded, async (page) => {
  const longest = page.getByRole("listitem").filter({ hasText: "late-7" }).first();
  expect(await longest.innerText()).toContain("the rest is not known");
});
