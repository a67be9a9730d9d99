/** Pages of recordings that were made for a test, and a browser's view of one. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Browser, Page } from "playwright-core";
import type { TraceSource } from "../../src/trace-dat/trace-source.ts";
import { partsOf, type RecordedAbout } from "../../src/trace-dat/parts.ts";
import { type ExportResult, finishExport } from "../../src/views/exporter.ts";
import { htmlExporter } from "../../src/views/html/html-exporter.ts";
import { openTab } from "./browser.ts";

export type OpenedMachine = { machine: string; source: TraceSource; about?: RecordedAbout };
export type MadePage = { html: string; result: ExportResult };

export function makePage(opened: readonly OpenedMachine[]): MadePage {
  const pieces: Buffer[] = [];
  const result = finishExport(htmlExporter.begin(partsOf(opened), {}, (bytes) => pieces.push(Buffer.from(bytes))));
  return { html: Buffer.concat(pieces).toString(), result };
}

export type Visit = {
  page: Page;
  /** What it asked for beside itself, and what went wrong in it. */
  requests: string[];
  errors: string[];
};

/** Opens pages as files, one after the other in a tab: a tab for each is a process for each, of a sixth more CPU time. */
export class PageVisits {
  readonly #browser: Browser;
  readonly #directory = mkdtempSync(`${tmpdir()}/ta-page-`);
  #tab: Page | undefined;
  #count = 0;

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  async visit(html: string, work: (visit: Visit) => Promise<void>, { width = 1280, height = 900 } = {}): Promise<void> {
    const path = `${this.#directory}/${++this.#count}.html`;
    writeFileSync(path, html);
    const page = (this.#tab ??= await openTab(this.#browser));
    try {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: "light" });
      const visit: Visit = { page, requests: [], errors: [] };
      page.on("request", (request) => request.url() === `file://${path}` || visit.requests.push(request.url()));
      page.on("pageerror", (error) => visit.errors.push(error.message));
      page.on("dialog", (dialog) => visit.errors.push(`dialog: ${dialog.message()}`));
      page.on("console", (message) => message.type() === "error" && visit.errors.push(message.text()));
      await page.goto(`file://${path}`);
      await page.waitForSelector("html[data-ready=all]");
      await work(visit);
      if (visit.errors.length > 0 || visit.requests.length > 0)
        throw new Error(`the page failed: ${[...visit.errors, ...visit.requests].join("; ")}`);
      page.removeAllListeners();
      await page.mouse.move(0, 0);
    } catch (error) {
      // The next one has nothing of it.
      this.#tab = undefined;
      await page.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#browser.close();
    rmSync(this.#directory, { recursive: true });
  }
}

/**
 * Waits until a condition, as JavaScript text, holds in the page. waitForFunction() can ask only once for such a text where the page's
 * content policy forbids eval: later it asks from within the page.
 */
export async function untilInPage(page: Page, condition: string): Promise<void> {
  const deadline = performance.now() + 240_000;
  while (!(await page.evaluate<boolean>(`Boolean(${condition})`))) {
    if (performance.now() > deadline) throw new Error(`never in the page: ${condition}`);
    await Bun.sleep(5);
  }
}

/** How much time is in view, by what the page says: "3.146 s from ...". */
export async function spanInView(page: Page): Promise<number> {
  const text = (await page.textContent(".in-view")) ?? "";
  const [, value = "", unit = ""] = /^([\d.]+) (ns|µs|ms|s) from/.exec(text) ?? [];
  return Number(value) * ({ ns: 1, µs: 1e3, ms: 1e6, s: 1e9 }[unit] ?? NaN);
}
