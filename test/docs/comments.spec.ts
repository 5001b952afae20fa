import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const WORDS = /\b(?:(?:some|any|no|every)body|who(?:m|se)?ever)\b/i;
const COMMENT = /^\s*(?:\/\*|\*|\/\/)|\s\/\/ /;

const files = ['apps', 'clients', 'libs', 'scripts', 'test'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((name) => /\.(?:ts|mjs)$/.test(name) && name !== 'test/docs/comments.spec.ts'),
);

it('comments say caller, client, operator, worker or process', () => {
  expect(files.length).toBeGreaterThan(500);
  const found = files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line, index) => (COMMENT.test(line) && WORDS.test(line.slice(line.search(COMMENT))) ? [`${file}:${index + 1}`] : [])),
  );
  expect(found).toEqual([]);
});
