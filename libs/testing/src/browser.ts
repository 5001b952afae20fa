import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import axe from 'axe-core';
import pixelmatch from 'pixelmatch';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { PNG } from 'pngjs';
import { packageInstaller } from '#lib/devstack/provisioning/debian-packages';
import { findProgram } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';

/** A browser for tests, or in one sentence why there is none: they are then skipped with it. */
export type FoundBrowser = TestBrowser | { readonly missing: string };

/** How a page is opened; without them a light one in English, 1280 x 800. */
export interface PageOptions {
  readonly language?: 'en' | 'vi';
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
}

/** A page of a user of its own, and what it said. */
export interface UserPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Violations of the Content-Security-Policy, errors of scripts and of the console. A test expects none. */
  readonly complaints: readonly string[];
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

/**
 * Headless Chromium of this machine: from the PATH; as root on Debian it is installed. One that cannot be had is missing; one that is there and
 * does not start is an error.
 */
export async function openBrowser(): Promise<FoundBrowser> {
  const path = await findChromium();
  if (typeof path !== 'string') return path;
  // Chromium refuses its sandbox to root; what tests load is ours.
  return new TestBrowser(
    await chromium.launch({ executablePath: path, headless: true, args: ['--no-sandbox', '--font-render-hinting=none'], timeout: 60_000 }),
  );
}

async function findChromium(): Promise<string | { missing: string }> {
  const onPath = () => NAMES.map((name) => findProgram(name)).find((path) => path !== undefined);
  const found = onPath();
  if (found !== undefined) return found;
  const installer = await packageInstaller();
  if (installer === undefined) return { missing: 'there is no Chromium on the PATH, and no apt-get that may install one' };
  try {
    await installer.install([{ name: 'chromium', services: [] }], (line) => process.stderr.write(`  ${line}\n`));
  } catch (error) {
    return { missing: `Chromium cannot be installed: ${String(error).split('\n').at(-1)}` };
  }
  return onPath() ?? { missing: 'the package chromium brought no program of that name' };
}

export class TestBrowser {
  constructor(private readonly browser: Browser) {}

  /** The first number of its version: pictures of another one differ in their letters. */
  get major(): string {
    return this.browser.version().split('.')[0] ?? '';
  }

  /** A window of its own: cookies, storage and network are shared with no other. */
  async open(url: string, { language = 'en', theme = 'light', width = 1_280, height = 800 }: PageOptions = {}): Promise<UserPage> {
    const context = await this.browser.newContext({
      locale: language === 'en' ? 'en-GB' : 'vi-VN',
      colorScheme: theme,
      viewport: { width, height },
      reducedMotion: 'reduce',
      timezoneId: 'UTC',
    });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
    page.on('console', (message) => {
      // A failed request is what some tests are about; the policy of the page is what none may break.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(message.text());
    });
    // Longer than the longest pause between two looks of the room Chat at a pipeline, on a machine that does other things too.
    page.setDefaultTimeout(30_000);
    await page.goto(url);
    return { page, context, complaints };
  }

  async close(): Promise<void> {
    await this.browser.close();
  }
}

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** What the page does not keep of WCAG 2.2 AA, one line for each rule and element. Empty is as it should be. */
async function violationsOf(page: Page): Promise<string[]> {
  // Through the debugger, which the policy of the page does not bind; once for each page.
  if (!(await page.evaluate<boolean>('"axe" in globalThis'))) await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run: (context: object, options: object) => Promise<{ violations: Violation[] }> } };
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    // A guard of Base UI hands the focus on in the moment in which it gets it.
    const guards = { exclude: [['[data-base-ui-focus-guard]']] };
    return (await axe.run(guards, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] })).violations;
  });
  return found.flatMap(({ id, help, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html} ${failureSummary ?? ''}`));
}

const languages = ['en', 'vi'] as const;

/**
 * {@link violationsOf} the page as it is in each language of the console; it is left in English. A theme is that of a page of its own: Chromium
 * may keep colours of before when it is emulated anew.
 */
export async function violationsInBothLanguages(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const language of languages) {
    await speak(page, language);
    found.push(...(await violationsOf(page)).map((line) => `${language} ${line}`));
  }
  await speak(page, 'en');
  return found;
}

/** Changes the language of the console as another tab does. */
export async function speak(page: Page, language: 'en' | 'vi'): Promise<void> {
  await page.evaluate(`localStorage.setItem('parley.language', '${language}');
    dispatchEvent(new StorageEvent('storage', { key: 'parley.language' }));`);
  await page.locator(`html[lang="${language}"]`).waitFor({ state: 'attached' });
}

const imagesFolder = join(projectRoot, 'docs', 'images');
/** Written beside the pictures: which Chromium drew them. */
const drawnByFile = join(imagesFolder, 'drawn-by.txt');
/** Of all pixels: what antialiasing changes between two machines. */
const TOLERANCE = 0.002;

/**
 * Compares the page with `docs/images/<name>.png`; `PARLEY_UPDATE_PICTURES=1` draws that anew. Times (`data-time`) are
 * all shown as 14:05; `masked` are selectors of what else differs each time. @returns the share of pixels that differ beyond the tolerance,
 * 0 when they are alike, or why they cannot be compared.
 */
export async function comparePicture(
  { page }: UserPage,
  browser: TestBrowser,
  name: string,
  masked: readonly string[] = [],
): Promise<number | { readonly skipped: string }> {
  const file = join(imagesFolder, `${name}.png`);
  // One moment for all times of the page: a mask would be ugly where the picture is shown.
  await page.evaluate(`for (const each of document.querySelectorAll('[data-time]')) {
    if (each.textContent !== '') each.textContent = /\\d\\d:\\d\\d/.test(each.textContent) ? '14:05' : 'Sat, Jan 31';
  }`);
  const picture = await page.screenshot({
    animations: 'disabled',
    caret: 'hide',
    mask: masked.map((selector) => page.locator(selector)),
    maskColor: '#8888aa',
  });
  if (process.env['PARLEY_UPDATE_PICTURES'] === '1') {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, picture);
    writeFileSync(drawnByFile, `Chromium ${browser.major}\n`);
    return 0;
  }
  const drawnBy = existsSync(drawnByFile) ? readFileSync(drawnByFile, 'utf8').trim() : 'nothing';
  if (drawnBy !== `Chromium ${browser.major}`)
    return { skipped: `the pictures were drawn by ${drawnBy}, this is Chromium ${browser.major}` };
  const [wanted, got] = [PNG.sync.read(readFileSync(file)), PNG.sync.read(picture)];
  if (wanted.width !== got.width || wanted.height !== got.height) return 1;
  const different = pixelmatch(wanted.data, got.data, undefined, got.width, got.height, { threshold: 0.2 });
  const share = different / (got.width * got.height);
  return share <= TOLERANCE ? 0 : share;
}
