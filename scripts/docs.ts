import { writeFileSync } from 'node:fs';
import { printedDocuments } from './docs/documents.js';

// `npm run docs`: brings the documents that are printed from code up to date.
for (const [path, render] of Object.entries(printedDocuments)) {
  writeFileSync(path, render());
  console.log(`wrote ${path}`);
}
