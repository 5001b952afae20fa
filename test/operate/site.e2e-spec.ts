import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runOrThrow } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { openBrowser } from '#lib/testing/browser';
import { sitePages } from '../../scripts/site/pages.js';

// The documentation as its readers get it: built once, then looked at as files and in a browser.

const ORIGIN = 'http://site.test';
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

let site: string;
let server: Server;
let url: string;
let files: ReadonlySet<string>;
beforeAll(async () => {
  site = await mkdtemp(join(tmpdir(), 'parley-site-'));
  const vitepress = join(projectRoot, 'node_modules', 'vitepress', 'bin', 'vitepress.js');
  await runOrThrow(process.execPath, [vitepress, 'build', 'docs', '--outDir', site], { timeoutMs: 120_000, cwd: projectRoot });
  files = new Set(readdirSync(site, { recursive: true, encoding: 'utf8' }));
  server = createServer((request, response) => {
    const path = fileOf(new URL(request.url ?? '/', ORIGIN).pathname);
    if (!files.has(path)) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': types[extname(path)] ?? 'application/octet-stream' }).end(readFileSync(join(site, path)));
  }).listen(0, '127.0.0.1');
  url = await new Promise((resolve) =>
    server.once('listening', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)),
  );
}, 150_000);
afterAll(async () => {
  server?.close();
  await rm(site, { recursive: true, force: true });
});

const fileOf = (pathname: string): string => {
  const path = decodeURIComponent(pathname).slice(1);
  return path === '' || path.endsWith('/') ? `${path}index.html` : path;
};
const textOf = (file: string): string => readFileSync(join(site, file), 'utf8');
const pagesOf = (): string[] => [...files].filter((file) => file.endsWith('.html') && file !== '404.html');
const attributesOf = (html: string, pattern: RegExp): string[] =>
  [...html.matchAll(pattern)].map(([, value = '']) => value.replaceAll('&amp;', '&'));

describe('the documentation site', () => {
  it('has every document as a page, and every page in the side bar', () => {
    const documents = readdirSync(join(projectRoot, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md') && !name.startsWith('.'))
      .map((name) => `docs/${name}`);
    const pages = sitePages(projectRoot);
    expect(documents.filter((source) => !pages.some((page) => page.source === source))).toEqual([]);
    expect(pages.filter(({ page }) => !files.has(`${page}.html`))).toEqual([]);
    const sidebar = /<aside class="VPSidebar.*?<\/aside>/s.exec(textOf('concepts/architecture.html'))?.[0] ?? '';
    const linked = new Set(attributesOf(sidebar, /href="([^"]+)"/g).map((href) => fileOf(href)));
    expect(pages.filter(({ page }) => page !== 'index' && !linked.has(`${page}.html`))).toEqual([]);
  });

  it('has no link to a page, a heading or a file that is not there', () => {
    const headings = new Map(pagesOf().map((file) => [file, new Set(attributesOf(textOf(file), /\sid="([^"]+)"/g))]));
    const dead = pagesOf().flatMap((file) =>
      attributesOf(textOf(file), /<a\s[^>]*?href="([^"]+)"/g).flatMap((href) => {
        const target = new URL(href, `${ORIGIN}/${file}`);
        if (target.origin !== ORIGIN) return [];
        const path = fileOf(target.pathname);
        const isThere =
          files.has(path) && (target.hash === '' || headings.get(path)?.has(decodeURIComponent(target.hash.slice(1))) === true);
        return isThere ? [] : [`${file}: ${href}`];
      }),
    );
    expect(headings.size).toBeGreaterThan(100);
    expect(dead).toEqual([]);
  });

  it('loads nothing from elsewhere', () => {
    const inPages = pagesOf().flatMap((file) => [
      ...attributesOf(textOf(file), /\ssrc(?:set)?="([^"]+)"/g),
      ...attributesOf(textOf(file), /<link\s[^>]*?href="([^"]+)"/g),
    ]);
    const inStyles = [...files]
      .filter((file) => /\.(?:css|html|js)$/.test(file))
      .flatMap((file) => attributesOf(textOf(file), /(?:url\(|@import\s)\s*\\?["']?((?:https?:)?\/\/[^"')\s]+)/g));
    const scripts = [...files].filter((file) => file.endsWith('.js'));
    expect(inPages.filter((address) => /^(?:https?:)?\/\//.test(address))).toEqual([]);
    expect(inStyles).toEqual([]);
    expect(scripts.flatMap((file) => attributesOf(textOf(file), /import\(\s*["'](https?:[^"']+)/g))).toEqual([]);
  });

  it('shows drawings as pictures, charts, and code that documents name', () => {
    expect(textOf('concepts/agents.html')).toMatch(/class="drawing"[^>]*>\s*<svg/);
    for (const file of pagesOf()) expect(textOf(file)).not.toContain('language-mermaid');
    const charts = readFileSync(join(projectRoot, 'test/bench/results/latest.md'), 'utf8').match(/\]\([\w-]+\.svg\)/g) ?? [];
    expect(charts.length).toBeGreaterThan(2);
    expect(attributesOf(textOf('performance/results.html'), /<img\s[^>]*?src="([^"]+)"/g)).toHaveLength(charts.length);
    expect(textOf('source/examples/agent/agent.mjs.txt')).toBe(readFileSync(join(projectRoot, 'examples/agent/agent.mjs'), 'utf8'));
  });
});

describe('a reader with a browser', () => {
  it('finds what is searched for, and the page asks no other host', async (context) => {
    const browser = await openBrowser();
    if ('missing' in browser) return context.skip(browser.missing);
    try {
      const { page, complaints } = await browser.open(url, { theme: 'dark', width: 390, height: 844 });
      const asked: string[] = [];
      page.on('request', (request) => asked.push(request.url()));
      for (const [query, wanted] of [
        ['CORS_ORIGINS', '/reference/configuration'],
        ['exactly-once', '/reference/api'],
        ['clientMessageId', '/concepts/agents'],
      ] as const) {
        await page.goto(`${url}/quick-start.html`, { waitUntil: 'networkidle' });
        await page.click('#local-search button');
        await page.fill('.VPLocalSearchBox input', query);
        await page.locator(`.VPLocalSearchBox a[href^="${wanted}"]`).first().waitFor({ timeout: 15_000 });
      }
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect(overflow).toBeLessThanOrEqual(0);
      expect(asked.filter((address) => !address.startsWith(url) && !address.startsWith('data:'))).toEqual([]);
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});
