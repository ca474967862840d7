// Pictures of every view: node scripts/shots.mjs [directory] [views, with commas] [themes] [widths]
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";
import { browserPath } from "../test/browser-path.mjs";
import { Mock } from "../test/mock/server.mjs";
import { VIEWS, worth } from "../test/views.mjs";

const [into = "shots", only, themes = "light,dark", widths = "1280,390"] = process.argv.slice(2);
mkdirSync(into, { recursive: true });
const mock = await new Mock({ prefix: "/some/path" }).listen();
const browser = await chromium.launch({ executablePath: browserPath(), args: ["--no-sandbox"] });
const of = worth(mock.data);

for (const theme of themes.split(",")) {
  for (const width of widths.split(",").map(Number)) {
    const context = await browser.newContext({ viewport: { width, height: width > 700 ? 860 : 844 }, colorScheme: theme, reducedMotion: "reduce" });
    const page = await context.newPage();
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && console.log(`console: ${message.text()}`));
    page.on("pageerror", (error) => console.log(`error: ${error.stack}`));
    await page.goto(`${mock.url}/ui/#token=key_operator_1`);
    for (const [name, path] of VIEWS) {
      if (only && only !== "all" && !only.split(",").includes(name)) continue;
      await page.evaluate((to) => void (location.hash = to), path(of));
      await page.waitForTimeout(name === "overview" ? 2_500 : 700);
      await page.screenshot({ path: `${into}/${name}-${theme}-${width}.png`, fullPage: false });
    }
    await context.close();
  }
}
await browser.close();
await mock.close();
