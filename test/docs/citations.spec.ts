import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((name) => /\.(ts|mjs|cjs|md|sql)$/.test(name) && !name.includes('/node_modules/'));

const self = 'test/docs/citations.spec.ts';
const code = ['apps', 'clients', 'libs', 'scripts', 'test'].flatMap(filesOf).filter((name) => name !== self && !name.endsWith('.md'));
const documents = [...filesOf('docs'), 'README.md', 'CONTRIBUTING.md'];
const texts = new Map([...code, ...documents, '.env.example'].map((name) => [name, readFileSync(name, 'utf8')]));

/** What a pattern finds in these files, each as `file: what`, where `isThere` says that nothing answers to it. */
const missing = (files: Iterable<string>, pattern: RegExp, isThere: (cited: string) => boolean): string[] =>
  [...files].flatMap((name) =>
    [...(texts.get(name) ?? '').matchAll(pattern)]
      .map(([whole, cited = whole]) => cited)
      .filter((cited) => !isThere(cited))
      .map((cited) => `${name}: ${cited}`),
  );

const all = [...texts.keys()];
const lines = new Set([...readFileSync('docs/reference/requirements.md', 'utf8').matchAll(/^\| ((?:law )?\w+) \|/gm)].map(([, id]) => id));
const rules = new Set([...readFileSync('docs/concepts/messaging.md', 'utf8').matchAll(/^(\d+)\. /gm)].map(([, number]) => number));
const decisions = new Set(readdirSync('docs/adr').map((name) => String(Number(name.slice(0, 4)))));

it('each requirement, law, ruling and attack that is cited has its line in requirements.md', () => {
  expect(lines.size).toBeGreaterThan(80);
  expect(missing(all, /\bR\d{3}\b/g, (id) => lines.has(id))).toEqual([]);
  expect(missing(all, /\b[Ll]aws? (\d+)\b/g, (number) => lines.has(`law ${number}`))).toEqual([]);
  expect(missing(all, /\b[Rr]ulings? (C\d+)\b/g, (id) => lines.has(id))).toEqual([]);
  const attacks = code.filter((name) => name.startsWith('test/attacks/'));
  expect(missing(attacks, /\bS\d{1,2}\b/g, (id) => lines.has(id))).toEqual([]);
});

it('each decision and each messaging rule that is cited has its page or its line', () => {
  expect(missing(all, /\bADR (\d+)\b/g, (number) => decisions.has(number))).toEqual([]);
  expect(missing(all, /\bmessaging rules? (\d+)\b/gi, (number) => rules.has(number))).toEqual([]);
});

it('each document that code names is in the repository, under the path that it is named by', () => {
  const named = /(?<![\w./-])(docs\/[\w./-]*[\w-]\.md)\b/g;
  expect(missing(code, named, (path) => existsSync(path))).toEqual([]);
  const inComments = /^\s*(?:\/\*\*|\*|\/\/).*?(?<![\w./-])([\w./-]*[\w-]\.md)\b/gm;
  expect(missing(code, inComments, (path) => existsSync(path))).toEqual([]);
});

it('no code cites a section of a document that is not in the repository', () => {
  expect(missing(code, /\b(?:contract|architecture|style|stack)(?:\.md)?,? (?:section|rule|messaging)\w*/gi, () => false)).toEqual([]);
});
