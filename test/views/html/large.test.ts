/** A page of many events on 8 CPUs: a million in the long form. How fast it is, test/bench does not say: it depends on the machine. */
import { expect, setDefaultTimeout } from "bun:test";
import { inLongForm } from "../../support/long.ts";
import { type MadeSched, type MadeTask, madeMachine } from "../../support/made-machine.ts";
import { makePage, spanInView } from "../../support/made-page.ts";
import { pageTests } from "../../support/page-test.ts";
import { mulberry } from "../../timeline/sync/schedules.ts";

setDefaultTimeout(600_000);

const events = inLongForm(20_000, 1_000_000);
const cpus = 8;
const names = ["nginx", "postgres", "kworker/0:1", "redis-server", "node", "rcu_sched", "java", "systemd"];
const testPage = await pageTests();

/** Each CPU switches to a task that it was woken for, of 400. */
function busyMachine(): MadeSched[] {
  const random = mulberry(5);
  const made: MadeSched[] = [];
  const running = Array.from({ length: cpus }, (): MadeTask => ({ pid: 0, comm: "swapper" }));
  const times = Array.from({ length: cpus }, () => 1_000);
  while (made.length < events) {
    const cpu = made.length % cpus;
    const prev = running[cpu] ?? { pid: 0, comm: "swapper" };
    const number = Math.floor(random() ** 2 * 400);
    const next = { pid: 100 + number + 1_000 * cpu, comm: names[number % names.length] ?? "" };
    const woken = (times[cpu] ?? 0) + 200 + Math.round(-3_000 * Math.log(1 - random()));
    const time = woken + 300 + Math.round(-8_000 * Math.log(1 - random()));
    made.push({ time: woken, cpu, by: prev.pid, wakes: next, target: cpu });
    made.push({ time, cpu, by: prev.pid, prev, state: random() < 0.6 ? 1 : 0x100, next });
    made.push({ time: time + 100, cpu, by: next.pid, wakes: { ...next, pid: next.pid + 1 }, target: cpu });
    running[cpu] = next;
    times[cpu] = time + 100;
  }
  return made;
}

testPage(
  `a page of ${events} events is small, opens, and is searched and zoomed`,
  () => {
    const { html } = makePage([{ machine: "", source: madeMachine(busyMachine(), { cpus }) }]);
    // A third of them are switches, each with a wait: more than a machine has.
    expect(html.length).toBeLessThan(inLongForm(400_000, 3_900_000));
    return html;
  },
  async ({ page }) => {
    const isMarked = (await page.innerText("#page")).includes("Left out: a mark for each");
    expect(isMarked).toBe(events > 250_000);
    const whole = await spanInView(page);
    await page.focus(".stage");
    for (let step = 0; step < 20; step++) await page.keyboard.press("w");
    expect(await spanInView(page)).toBeLessThan(whole / 100);
    await page.fill("#search", "redis");
    expect(await page.textContent("output")).toMatch(/^[\d,]+ tasks, [\d,]+ runs(, [\d,]+ events)?$/);
    await page.press("#search", "Enter");
    expect(await page.innerText(".chosen h2")).toStartWith("redis-server-");
  },
);
