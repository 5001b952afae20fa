import { existsSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { SitePage } from './pages.js';

/** Where a link of a document leads in the site. */
export type SiteLink =
  | { readonly to: 'page' | 'elsewhere'; readonly href: string }
  /** A file of the repository that is no page; `path` is relative to it. */
  | { readonly to: 'source'; readonly href: string; readonly path: string };

/** Folder of the site that holds the files of the code that pages link to, as plain text. */
const SOURCES = '/source/';

/** Resolves the links of documents, which are made for GitHub: relative to the file that they stand in. */
export class SiteLinks {
  /** Files of the code that were linked to, relative to the repository. */
  readonly sources = new Set<string>();
  private readonly pageOf: ReadonlyMap<string, string>;
  private readonly pages: readonly SitePage[];

  /** @param repositoryUrl where files of the code are shown, with `{path}` for the file; undefined: the site has copies. */
  constructor(
    private readonly root: string,
    pages: readonly SitePage[],
    private readonly repositoryUrl?: string,
  ) {
    this.pages = pages;
    this.pageOf = new Map(pages.map(({ source, page }) => [source, page]));
  }

  /** `href` as it stands in the document `source`. A link to what is not there is returned as it is, for the site's own check. */
  resolve(href: string, source: string): SiteLink {
    if (/^[a-z][a-z0-9+.-]*:|^#|^\//i.test(href)) return { to: 'elsewhere', href };
    const [path = '', anchor] = href.split('#', 2);
    const target = posix.normalize(posix.join(posix.dirname(source), path)).replace(/\/$/, '');
    const page = this.pageOf.get(target) ?? this.firstBelow(target);
    if (page !== undefined)
      return { to: 'page', href: `/${page.replace(/(^|\/)index$/, '$1')}${anchor === undefined ? '' : `#${anchor}`}` };
    if (target.startsWith('..') || !existsSync(join(this.root, target))) return { to: 'elsewhere', href };
    if (this.repositoryUrl !== undefined) return { to: 'elsewhere', href: this.repositoryUrl.replace('{path}', target) };
    if (!statSync(join(this.root, target)).isFile()) return { to: 'elsewhere', href };
    this.sources.add(target);
    return { to: 'source', href: `${SOURCES}${target}.txt`, path: target };
  }

  /** A link to a folder of documents leads to the first of them. */
  private firstBelow(folder: string): string | undefined {
    return this.pages
      .filter(({ source }) => source.startsWith(`${folder}/`) && folder.startsWith('docs/'))
      .map(({ page }) => page)
      .toSorted()[0];
  }
}
