// The dashboard in a real browser: three nodes, one of them killed and started again. Run by tests/tests/dashboard.rs.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

/** How long anything may take before the test gives up: ten times what is expected. */
const PATIENCE = 20_000;
const WIDTHS = [320, 768, 1600];
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const folder = process.env.CLUSTER_SCREENSHOTS;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
/** Has the test do what a page cannot. */
async function ask(what) {
  console.log(`ask ${what}`);
  return (await lines.next()).value;
}

const origin = `http://127.0.0.1:${process.argv[2]}`;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: FLAGS,
});

/** A page of the dashboard that shows three nodes, and what was wrong on it. */
async function open(width, colorScheme) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  page.setDefaultTimeout(PATIENCE);
  const wrong = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && wrong.push(message.text()));
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('data:')) wrong.push(`asks ${request.url()}`);
  });
  await page.goto(`${origin}/_plugin/cluster/`);
  await page.getByText('all is well').waitFor();
  await page.waitForFunction(() => document.querySelectorAll('#links path').length === 3);
  return { page, wrong };
}

/** Texts with too little contrast to what is behind them, cards that overlap, and a page that is wider than its window. */
function flaws() {
  const channel = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest('noscript')) continue;
    const style = getComputedStyle(element);
    const text = numbers(element.ownerSVGElement ? style.fill : style.color);
    const [light, dark] = [luminance(text), luminance(behind(element.ownerSVGElement?.parentElement ?? element))].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)}: ${element.textContent.trim().slice(0, 40)}`);
  }
  const cards = [...document.querySelectorAll('.card')].filter((card) => card.checkVisibility());
  cards.forEach((card, index) => {
    const a = card.getBoundingClientRect();
    for (const other of cards.slice(index + 1)) {
      const b = other.getBoundingClientRect();
      const apart = a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
      if (!apart) found.push(`${card.className} lies on ${other.className}`);
    }
  });
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) found.push(`the page is ${wide} px wider than its window`);
  for (const element of document.querySelectorAll('button, a, [tabindex="0"]')) {
    const name = element.getAttribute('aria-label') ?? element.getAttribute('aria-labelledby') ?? element.textContent.trim();
    if (!name) found.push(`${element.outerHTML} has no name`);
  }
  return found;
}

for (const scheme of ['light', 'dark']) {
  for (const width of WIDTHS) {
    const { page, wrong } = await open(width, scheme);
    assert.deepEqual(await page.evaluate(flaws), [], `${width} px, ${scheme}`);
    if (folder) await page.screenshot({ path: `${folder}/well-${scheme}-${width}.png`, fullPage: true });
    await page.close();
    assert.deepEqual(wrong, [], `${width} px, ${scheme}`);
  }
}

const { page, wrong } = await open(1600, 'light');
await page.evaluate(() => {
  window.shifts = 0;
  // What moves because of a key was asked for; the log grows at its top.
  const add = (list) =>
    list.getEntries().forEach((entry) => {
      const outside = entry.sources.some((it) => it.node && !document.querySelector('#timeline').contains(it.node));
      if (!entry.hadRecentInput && outside) window.shifts += entry.value;
    });
  new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: false });
});

// With the keyboard alone: to the first node, and its details.
await page.keyboard.press('Tab');
await page.keyboard.press('Enter');
const button = page.getByRole('button', { name: 'node-b' });
for (let presses = 0; !(await button.evaluate((it) => it === document.activeElement)); presses += 1) {
  assert.ok(presses < 20, 'the keyboard does not get to node-b');
  await page.keyboard.press('Tab');
}
await page.keyboard.press('Enter');
await page.locator('button[aria-pressed="true"]', { hasText: 'node-b' }).waitFor();
await page.getByRole('heading', { name: 'node-b' }).waitFor();
await page.keyboard.press('Enter');

const row = page.getByRole('row', { name: /node-c/ });
assert.match(await row.textContent(), /ready/);
const shifts = await page.evaluate(() => window.shifts);
const killed = performance.now();
await ask('kill');
await page.waitForFunction(() => !document.querySelector('#tile-ready').textContent.startsWith('3'), null, { polling: 10 });
console.log(`the page stops calling the killed node ready after ${Math.round(performance.now() - killed)} ms`);
await page.waitForFunction(() => [...document.querySelectorAll('#rows tr')].some((it) => /node-c.*gone/s.test(it.textContent)), null, { polling: 10 });
console.log(`and calls it gone after ${Math.round(performance.now() - killed)} ms`);
assert.match(await page.locator('#announcements').textContent(), /node-c/, 'nobody is told who cannot see');
assert.match(await page.locator('#mesh-words').textContent(), /node-c: gone/);
assert.match(await page.locator('#timeline li').first().textContent(), /node-c/);
assert.equal(await page.locator('.dot-node.gone').count(), 1);
const jumped = await page.evaluate(() => window.shifts);
assert.ok(jumped < 0.1, `what is there jumps about: ${jumped}`);
assert.ok(shifts < 0.05, 'what is there jumps about while nothing happens');
for (const scheme of ['light', 'dark']) {
  await page.emulateMedia({ colorScheme: scheme });
  assert.deepEqual(await page.evaluate(flaws), [], scheme);
  if (folder) await page.screenshot({ path: `${folder}/gone-${scheme}-1600.png`, fullPage: true });
}
await ask('restart');
await page.getByText('all is well').waitFor();
assert.equal(await page.locator('#tile-ready').textContent(), '3 of 3');
assert.deepEqual(wrong, []);

await browser.close();
console.log('passed');
process.exit(0);
