/** What hostile texts cannot do in a page. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { hostileTexts, steersTerminal } from "../../support/hostile-text.ts";
import { type MadeSched, type MadeTask, madeMachine, madeMetadata } from "../../support/made-machine.ts";
import { makePage } from "../../support/made-page.ts";
import { pageTests } from "../../support/page-test.ts";

/** A browser takes long to start, and to draw, on a loaded machine. */
setDefaultTimeout(300_000);

const testPage = await pageTests();

const idle: MadeTask = { pid: 0, comm: "swapper" };
const asleep = 1;

describe("hostile texts", () => {
  const names = [
    "</script><b>x",
    "<img src=x>",
    "'\"&<>`${1}",
    "<!--<script>",
    ...hostileTexts.map((text) => text.slice(0, 15)),
  ];
  const events = names.flatMap((comm, index): MadeSched[] => {
    const task = { pid: 100 + index, comm: comm.replaceAll("\0", "") };
    const at = 1_000_000 * (index + 1);
    return [
      { time: at, cpu: 0, by: 0, wakes: task, target: 0 },
      { time: at + 1_000, cpu: 0, by: 0, prev: idle, state: 0, next: task },
      { time: at + 500_000, cpu: 0, by: task.pid, prev: task, state: asleep, next: idle },
    ];
  });
  const bad = "</title></script><script>alert(1)</script>";
  const formats = madeMetadata.formats.map(({ system, text }) => ({
    system,
    text: text.replace('"%d", REC->pid', '"comm=%s", REC->comm'),
  }));
  const uname = `Linux ${bad}`;
  const about = { file: bad, path: bad, machine: bad, kind: "file", segment: 1, started: bad } as const;
  const opened = { source: madeMachine(events, { uname, formats }), machine: "", about };
  const { html } = makePage([opened]);

  testPage(
    "are texts: no element, no request and no error comes of them",
    () => html,
    async ({ page }) => {
      expect(await page.innerText("h1")).toBe(bad);
      expect(await page.title()).toContain(bad);
      const shown = await page.innerText("#page");
      for (const name of ["</script><b>x-100", "<img src=x>-101", "<!--<script>-103"]) expect(shown).toContain(name);
      expect(await page.locator("img, b, iframe, main script").count()).toBe(0);
      expect(steersTerminal(Buffer.from(shown))).toBe(false);
      await page.focus(".stage");
      for (let step = 0; step < names.length; step++) await page.keyboard.press("ArrowRight");
      // What events say.
      await page.fill("#search", "sched_waking");
      let said = "";
      for (let step = 0; step < names.length; step++) {
        await page.press("#search", "Shift+Enter");
        said += await page.innerText(".chosen");
      }
      expect(said).toContain("comm=</script><b>x");
      expect(steersTerminal(Buffer.from(said))).toBe(false);
      expect(await page.locator("img, b, iframe, main script").count()).toBe(0);
    },
  );

  test("stand in no other place of the file than its title, escaped", () => {
    expect(html.split("alert(1)").length).toBe(3);
    expect(html).toContain("&#60;/title&#62;&#60;/script&#62;&#60;script&#62;alert(1)");
    expect(html.match(/<script/g)?.length).toBe(2);
  });

  test("are met by a policy that allows the page's own code alone", () => {
    const [, policy = ""] = /Content-Security-Policy" content="([^"]*)"/.exec(html) ?? [];
    const [, script = ""] = /<script>([\s\S]*)<\/script>\n<\/body>/.exec(html) ?? [];
    const hash = new Bun.CryptoHasher("sha256").update(script).digest("base64");
    expect(policy).toStartWith(`default-src 'none'; script-src 'sha256-${hash}'; style-src 'sha256-`);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
  });
});
