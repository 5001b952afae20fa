import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'clients/typescript/README.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' }).map((name) => join('docs', name)),
].filter((name) => name.endsWith('.md'));

const linksOf = (document: string): string[] =>
  [...readFileSync(document, 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map((match) => match[1] ?? '');

/** The anchors that GitHub makes of a document's headings. */
const headingsOf = (document: string): string[] =>
  [...readFileSync(document, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('documentation', () => {
  it.each(documents)('%s links only to files that exist', (document) => {
    const broken = linksOf(document).filter((link) => !existsSync(join(dirname(document), link)));
    expect(broken).toEqual([]);
  });

  it.each(documents)('%s links only to headings that exist', (document) => {
    const broken = [...readFileSync(document, 'utf8').matchAll(/\]\(([^):\s]*)#([^)\s]+)\)/g)]
      .map(([, path = '', anchor = '']) => ({ target: path === '' ? document : join(dirname(document), path), anchor }))
      .filter(({ target }) => target.endsWith('.md'))
      .filter(({ target, anchor }) => !headingsOf(target).includes(anchor))
      .map(({ target, anchor }) => `${target}#${anchor}`);
    expect(broken).toEqual([]);
  });

  // The pages that show how to add something name files that are not there yet; their own tests look at the others.
  it.each(documents.filter((name) => !/add-|CHANGELOG/.test(name)))('%s names only files of the code that exist', (document) => {
    const named = [...readFileSync(document, 'utf8').matchAll(/`((?:apps|libs|scripts|test|docker|docs)\/[\w./-]+)`/g)];
    expect(named.map(([, path = '']) => path).filter((path) => !existsSync(path))).toEqual([]);
  });

  it('leads through six files, in the order in which a message passes through them', () => {
    const [, walk = ''] = readFileSync('README.md', 'utf8').split('## Understand it');
    const steps = [...walk.matchAll(/^(\d)\. \[([\w.-]+)\]\(([\w./-]+)\)/gm)].map(([, number, name = '', path = '']) => ({
      number,
      name,
      path,
    }));
    expect(steps.map(({ number }) => number)).toEqual(['1', '2', '3', '4', '5', '6']);
    expect(steps.filter(({ name, path }) => !path.endsWith(`/${name}`) || !existsSync(path))).toEqual([]);
    const page = readFileSync('docs/concepts/one-message.md', 'utf8');
    const walked = [...page.matchAll(/^## \d\. .+\n\n\[[\w.-]+\]\(\.\.\/\.\.\/([\w./-]+)\)/gm)].map(([, path]) => path);
    expect(walked).toEqual(steps.map(({ path }) => path));
  });

  it('has a sentence for every package that we depend on', () => {
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
      string,
      Record<string, string>
    >;
    const text = readFileSync('docs/develop/dependencies.md', 'utf8');
    const missing = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies }).filter(
      (name) => !text.includes(`\`${name}\``),
    );
    expect(missing).toEqual([]);
  });
});
