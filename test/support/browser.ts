/** Debian's Chromium without a window, steered by playwright-core. It draws in software, as on a machine without a GPU. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { whyNoTools } from "./packages.ts";

const program = "chromium-headless-shell";

/** Why a test that needs a browser cannot run, or undefined. */
export async function whyNoBrowser(): Promise<string | undefined> {
  return await whyNoTools(program);
}

/** Against hanging only; Playwright's own is half a minute, which a loaded machine needs for a click. */
const browserTimeoutMs = 280_000;

/** The caller closes it. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = Bun.which(program) ?? undefined;
  if (executablePath === undefined) throw new Error(`no ${program} here: ask whyNoBrowser() first`);
  // Its sandbox refuses to be started by root; the pages are our own, and of text that they show as text.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return await chromium.launch({ executablePath, args: [...args, "--disable-gpu"], timeout: browserTimeoutMs });
}

/** Opens a tab in which nothing that is waited for has less time than a test. */
export async function openTab(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const tab = await browser.newPage(options);
  tab.setDefaultTimeout(browserTimeoutMs);
  return tab;
}
