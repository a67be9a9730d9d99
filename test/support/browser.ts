/** Debian's Chromium without a window, steered by playwright-core. It draws in software, as on a machine without a GPU. */
import { type Browser, chromium } from "playwright-core";
import { whyNoTools } from "./packages.ts";

const program = "chromium-headless-shell";

/** Why a test that needs a browser cannot run, or undefined. */
export async function whyNoBrowser(): Promise<string | undefined> {
  return await whyNoTools(program);
}

/** The caller closes it. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = Bun.which(program) ?? undefined;
  if (executablePath === undefined) throw new Error(`no ${program} here: ask whyNoBrowser() first`);
  // Its sandbox refuses to be started by root; the pages are our own, and of text that they show as text.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return await chromium.launch({ executablePath, args: [...args, "--disable-gpu"], timeout: 280_000 });
}
