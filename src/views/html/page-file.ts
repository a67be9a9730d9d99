/**
 * The file of a page: its code and style, which its content policy names by their hashes, and the packed data. It fetches nothing, and
 * no text of a recording is part of its HTML but for the title.
 */
import { bundledScript, bundledStyle } from "./bundle-page.ts" with { type: "macro" };

const script: string = bundledScript();
const style: string = bundledStyle();

/** The part before the data, and the one behind it. */
export function pageFrame(title: string): { before: string; behind: string } {
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
  const before = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<main id="page"><h1>${escaped(title)}</h1><p id="state">This page draws a recording of a kernel. It needs JavaScript, and no network.</p></main>
<script type="application/octet-stream" id="data">`;
  return { before, behind: `</script>\n<script>${script}</script>\n</body>\n</html>\n` };
}

function hashOf(text: string): string {
  return `sha256-${new Bun.CryptoHasher("sha256").update(text).digest("base64")}`;
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
