/** Tests that look at pages, in one browser for all of a file. */
import { afterAll, beforeAll } from "bun:test";
import { startBrowser, whyNoBrowser } from "./browser.ts";
import { PageVisits, type Visit } from "./made-page.ts";
import { testUnless } from "./test-unless.ts";

/** `html` is made when the test runs. */
type TestPage = (title: string, html: () => string, work: (visit: Visit) => Promise<void>, size?: object) => void;

/** Called once at the top of a file. Its tests are skipped, with the reason, where there is no browser. */
export async function pageTests(): Promise<TestPage> {
  const noBrowser = await whyNoBrowser();
  let visits: PageVisits | undefined;
  beforeAll(async () => {
    if (noBrowser === undefined) visits = new PageVisits(await startBrowser());
  });
  afterAll(async () => await visits?.close());
  return (title, html, work, size = {}) =>
    testUnless(noBrowser, title, async () => await visits?.visit(html(), work, size));
}
