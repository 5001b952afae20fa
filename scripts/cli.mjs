#!/usr/bin/env node
// `npx parley <verb>` in the checkout: the npm scripts of the same name, and every verb of `npm run parley`. Prints no banner, as npm run does.
const scripts = ['start', 'stop', 'status', 'demo', 'dev', 'test', 'bench', 'chaos'];
const [verb, ...rest] = process.argv.slice(2);
process.argv.splice(2, Infinity, ...(scripts.includes(verb) ? [verb, ...rest] : ['parley', ...process.argv.slice(2)]));
await import('./bootstrap.mjs');
