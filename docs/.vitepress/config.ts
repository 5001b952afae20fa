import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { SiteLinks } from '../../scripts/site/links.js';
import { anchorOf, asOnGitHub } from '../../scripts/site/markdown.js';
import { otherDocuments, sitePages, siteGroups } from '../../scripts/site/pages.js';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const pages = sitePages(root);
const sources = new Set(pages.map(({ source }) => source));
const links = new SiteLinks(root, pages, process.env['SITE_SOURCE_URL']);
const hrefOf = (page: string): string => `/${page.replace(/(^|\/)index$/, '$1')}`;

const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="#0b6e4f" d="M6 4h20a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4H14l-8 6v-6a4 4 0 0 1-4-4V8a4 4 0 0 1 4-4z"/></svg>';

/** `npm run docs:site` writes `.site/dist`. Pages are read where GitHub shows them, so the repository is the source folder. */
export default defineConfig({
  title: 'Parley',
  description: 'A conversation backend that acknowledges in milliseconds and never loses what it acknowledged',
  lang: 'en',
  head: [['link', { rel: 'icon', href: `data:image/svg+xml,${encodeURIComponent(ICON)}` }]],
  srcDir: '..',
  srcExclude: [...otherDocuments(root, pages)],
  rewrites: (source) => {
    const page = pages.find((known) => known.source === source);
    return page === undefined ? source : `${page.page}.md`;
  },
  outDir: '../.site/dist',
  cacheDir: '../.site/cache',
  base: process.env['SITE_BASE'] ?? '/',
  cleanUrls: false,
  metaChunk: true,
  lastUpdated: false,
  // Dead links end the build; addresses of a Parley on the reader's machine are none.
  ignoreDeadLinks: 'localhostLinks',
  markdown: {
    anchor: { slugify: anchorOf },
    theme: { light: 'github-light', dark: 'github-dark' },
    config: (md) => asOnGitHub(md, links, root),
  },
  vite: {
    resolve: {
      alias: [{ find: /^.*\/VPSocialLinks?\.vue$/, replacement: fileURLToPath(new URL('theme/nothing.ts', import.meta.url)) }],
    },
    build: { chunkSizeWarningLimit: 2_000 }, // the index of the search
    server: { watch: { ignored: ['**/{.parley,.site,dist,apps,libs}/**'] } },
  },
  themeConfig: {
    search: { provider: 'local', options: { detailedView: true } },
    outline: { level: [2, 3] },
    externalLinkIcon: true,
    nav: [
      { text: 'Quick start', link: '/quick-start' },
      { text: 'Concepts', link: '/concepts/one-message', activeMatch: '^/concepts/' },
      { text: 'Reference', link: '/reference/api', activeMatch: '^/reference/' },
      { text: 'Operate', link: '/operate/deployment', activeMatch: '^/operate/' },
      { text: 'Develop', link: '/develop/contributing', activeMatch: '^/develop/' },
      { text: 'Performance', link: '/performance/', activeMatch: '^/performance/' },
      { text: 'Decisions', link: '/adr/', activeMatch: '^/adr/' },
    ],
    sidebar: siteGroups(pages).map(({ text, pages: ofGroup }, i) => ({
      text,
      ...(i === 0 ? {} : { collapsed: true }),
      items: ofGroup.map(({ title, page }) => ({ text: title, link: hrefOf(page) })),
    })),
  },
  transformPageData: (data) => {
    if (!sources.has(data.filePath)) throw new Error(`${data.filePath} is a page that scripts/site/pages.ts does not know`);
    // Nothing to list beside a page that is one table: the table gets the room.
    if (!/^##+ /m.test(readFileSync(join(root, data.filePath), 'utf8'))) data.frontmatter['aside'] = false;
  },
  buildEnd: ({ outDir }) => {
    for (const path of links.sources) {
      const copy = join(outDir, 'source', `${path}.txt`);
      mkdirSync(dirname(copy), { recursive: true });
      copyFileSync(join(root, path), copy);
    }
  },
});
