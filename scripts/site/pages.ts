import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A page of the documentation site. Paths are relative: `source` to the repository, `page` to the site, without an extension. */
export interface SitePage {
  readonly source: string;
  readonly page: string;
  /** Its name in the side bar: as a rule its first heading, without markup. */
  readonly title: string;
}

/** One part of the side bar: its pages in the order of reading. */
export interface SiteGroup {
  readonly text: string;
  readonly pages: readonly SitePage[];
}

/** How the side bar calls pages whose first heading says something else. */
const shortTitles: Readonly<Record<string, string>> = {
  'quick-start': 'Quick start',
  documents: 'All documents',
  'reference/typescript-client': 'TypeScript client',
  'performance/index': 'At a glance',
  'performance/results': 'The published run',
  'adr/index': 'All decisions',
};

/** Pages that are not in docs/, and those of docs/ whose place in the site is another one. */
const elsewhere: Readonly<Record<string, string>> = {
  'scripts/site/home.md': 'index',
  'README.md': 'quick-start',
  'CONTRIBUTING.md': 'develop/contributing',
  'CHANGELOG.md': 'changelog',
  'clients/typescript/README.md': 'reference/typescript-client',
  'test/bench/results/latest.md': 'performance/results',
  'test/bench/results/chaos.md': 'performance/chaos',
  'test/bench/results/chaos-long.md': 'performance/chaos-long',
  'docs/README.md': 'documents',
  'docs/performance.md': 'performance/index',
};

/** The groups of the side bar. Pages that `first` does not name follow in the order of their titles; decisions in that of their numbers. */
const groups: readonly { readonly text: string; readonly folder: string; readonly first: readonly string[] }[] = [
  { text: 'Begin', folder: '', first: ['quick-start', 'documents', 'changelog'] },
  {
    text: 'Concepts',
    folder: 'concepts/',
    first: [
      'one-message',
      'architecture',
      'messaging',
      'live-delivery',
      'resilience',
      'agents',
      'scoring',
      'friendship',
      'security',
      'start-and-stop',
    ],
  },
  { text: 'Reference', folder: 'reference/', first: ['api', 'websocket', 'events', 'typescript-client', 'configuration', 'metrics'] },
  {
    text: 'Operate',
    folder: 'operate/',
    first: [
      'deployment',
      'kubernetes',
      'embedded',
      'console',
      'alerts',
      'dashboards/index',
      'tracing',
      'troubleshooting',
      'scaling',
      'capacity',
    ],
  },
  { text: 'Runbooks', folder: 'operate/runbooks/', first: [] },
  { text: 'Develop', folder: 'develop/', first: ['contributing'] },
  { text: 'Performance', folder: 'performance/', first: ['index', 'results', 'chaos', 'chaos-long'] },
  { text: 'Decisions', folder: 'adr/', first: ['index'] },
];

/** Every page of the site: all of docs/, and what stands beside it. `root` is the repository. */
export const sitePages = (root: string): readonly SitePage[] => {
  const inDocs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .map((name) => `docs/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.md') && !name.startsWith('docs/.'));
  return [...new Set([...Object.keys(elsewhere), ...inDocs])].map((source) => {
    const page = elsewhere[source] ?? pageOf(source);
    return { source, page, title: shortTitles[page] ?? titleOf(readFileSync(join(root, source), 'utf8')) };
  });
};

/** Documents of the repository that are no pages, such as notes beside tests: the site leaves them out. Paths are relative to `root`. */
export const otherDocuments = (root: string, pages: readonly SitePage[]): readonly string[] => {
  const sources = new Set(pages.map(({ source }) => source));
  const isPassedOver = (name: string): boolean => name === 'node_modules' || name === 'dist' || (name.startsWith('.') && name !== '.');
  return globSync('**/*.md', { cwd: root, exclude: (path) => path.split(/[\\/]/).some(isPassedOver) })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !sources.has(path));
};

/** The side bar: each page but the home page once. @throws Error for a page that no group takes. */
export const siteGroups = (pages: readonly SitePage[]): readonly SiteGroup[] => {
  const left = new Map(pages.filter(({ page }) => page !== 'index').map((page) => [page.page, page]));
  const filled = groups
    // The longest folder first, so that runbooks do not stand among the pages around them.
    .toSorted((one, other) => other.folder.length - one.folder.length)
    .map(({ text, folder, first }) => {
      const own = [...left.values()].filter(({ page }) => (folder === '' ? !page.includes('/') : page.startsWith(folder)));
      for (const { page } of own) left.delete(page);
      const rankOf = ({ page }: SitePage): number => {
        const rank = first.indexOf(page.slice(folder.length));
        return rank < 0 ? first.length : rank;
      };
      const nameOf = ({ page, title }: SitePage): string => (folder === 'adr/' ? page : title);
      return { text, pages: own.sort((one, other) => rankOf(one) - rankOf(other) || nameOf(one).localeCompare(nameOf(other))) };
    });
  if (left.size > 0) throw new Error(`no group of the side bar takes ${[...left.keys()].join(', ')}: see scripts/site/pages.ts`);
  return groups.flatMap(({ text }) => filled.find((group) => group.text === text) ?? []);
};

const pageOf = (source: string): string =>
  source
    .slice('docs/'.length)
    .replace(/\.md$/, '')
    .replace(/(^|\/)README$/, '$1index');

const titleOf = (text: string): string =>
  (/^# (.+)$/m.exec(text)?.[1] ?? 'Parley').replaceAll(/`|\*\*/g, '').replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1');
