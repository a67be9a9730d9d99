/** Tests that look at pages, in one browser for all files of a process. */
import { atEnd } from "./at-end.ts";
import { startBrowser, whyNoBrowser } from "./browser.ts";
import { PageVisits, type Visit } from "./made-page.ts";
import { testUnless } from "./test-unless.ts";

/** `html` is made when the test runs. */
type TestPage = (title: string, html: () => string, work: (visit: Visit) => Promise<void>, size?: object) => void;

/** Called once at the top of a file. Its tests are skipped, with the reason, where there is no browser. */
export async function pageTests(): Promise<TestPage> {
  const noBrowser = await whyNoBrowser();
  return (title, html, work, size = {}) =>
    testUnless(noBrowser, title, async () => await (await pageVisits()).visit(html(), work, size));
}

const shared = globalThis as { traceAgentPageVisits?: PageVisits };

async function pageVisits(): Promise<PageVisits> {
  const known = shared.traceAgentPageVisits;
  if (known !== undefined) return known;
  const visits = new PageVisits(await startBrowser());
  shared.traceAgentPageVisits = visits;
  atEnd(async () => await visits.close());
  return visits;
}
