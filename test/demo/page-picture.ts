/**
 * Draws the README's picture: the page of a recording of a host and its guests, where the host delayed one of them.
 *
 *   bun test/demo/page-picture.ts DIR PICTURE.png [GUEST [CULPRIT]]
 *
 * delayed-guests.ts makes such a recording. CULPRIT: of the stalls in which that task ran longest the longest one.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { startBrowser, whyNoBrowser } from "../support/browser.ts";
import { traceAgent } from "./program.ts";

const [directory, picture, guest = "vm1", culprit = ""] = process.argv.slice(2);
if (directory === undefined || picture === undefined)
  throw new Error("usage: page-picture.ts DIR PICTURE.png [GUEST [CULPRIT]]");
const reason = await whyNoBrowser();
if (reason !== undefined) throw new Error(reason);
const base = mkdtempSync(`${tmpdir()}/trace-agent-picture-`);
const browser = await startBrowser();
try {
  await traceAgent("report", "--html", "-o", `${base}/page.html`, directory);
  const page = await browser.newPage({ viewport: { width: 820, height: 900 }, colorScheme: "light" });
  await page.goto(`file://${base}/page.html`);
  await page.waitForSelector("html[data-ready=all]");
  const stalls = page.locator("section", { hasText: `When ${guest} was delayed by its host` });
  await stalls.getByRole("button", { name: / more$/ }).click();
  const one = stalls
    .getByRole("listitem")
    .filter({ hasText: `ran ${culprit}` })
    .first();
  await one.getByRole("button", { name: /vCPU/ }).click();
  await page.mouse.move(0, 0);
  await page.evaluate("document.activeElement.blur(); scrollTo(0, 0)");
  const [top, bottom] = [await page.locator(".overview").boundingBox(), await page.locator(".chosen").boundingBox()];
  if (top === null || bottom === null) throw new Error("the page has no timeline");
  const clip = { x: top.x, y: top.y, width: top.width, height: bottom.y + bottom.height - top.y };
  await page.screenshot({ path: picture, clip, fullPage: true });
} finally {
  await browser.close();
  rmSync(base, { recursive: true });
}
