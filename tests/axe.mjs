// Reads web pages with axe, in the Chrome that is here, and fails where WCAG 2 A or AA
// is broken: `node tests/axe.mjs PAGE.html ...`, after the `npm install` of `make axe`.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../.axe/", import.meta.url));
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");
const chrome = ["/usr/bin/google-chrome", "/usr/bin/chromium"].find(existsSync);
// Jupyter's own theme is left out: prompts, colours of code and of a terminal, links
const theirs = [".jp-InputPrompt", ".jp-OutputPrompt", ".highlight", "[class^=ansi-]"];
const ours = { exclude: theirs.map((selector) => [selector]) };
const rules = {
  runOnly: ["wcag2a", "wcag2aa"],
  rules: { "link-in-text-block": { enabled: false }, "heading-order": { enabled: true } },
  resultTypes: ["violations"],
};

const browser = await chromium.launch({ executablePath: chrome, args: ["--no-sandbox"] });
let count = 0;
for (const path of process.argv.slice(2)) {
  const page = await browser.newPage({ bypassCSP: true });
  await page.goto(pathToFileURL(resolve(path)).href, { waitUntil: "domcontentloaded" });
  await page.addScriptTag({ path: axe });
  const { violations } = await page.evaluate(([what, how]) => axe.run(what, how), [ours, rules]);
  console.log(`${path}: ${violations.length} rules broken`);
  for (const { id, help, nodes } of violations) {
    count += nodes.length;
    console.log(`  ${id}: ${help}, ${nodes.length} times, such as ${nodes[0].html.slice(0, 160)}`);
  }
  // What nbconvert writes where a figure was not shown by plots.show
  const bare = await page.locator('img[alt^="No description"]').count();
  if (bare) console.log(`  ${bare} pictures without a text`);
  count += bare;
  await page.close();
}
await browser.close();
process.exit(count ? 1 : 0);
