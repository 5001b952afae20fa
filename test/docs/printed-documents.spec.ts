import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { printedDocuments } from '../../scripts/docs/documents.js';

describe('documents printed from code', () => {
  it.each(Object.entries(printedDocuments))('%s says what the code says (else: npm run docs)', (path, render) => {
    expect(readFileSync(path, 'utf8')).toBe(render());
  });
});
