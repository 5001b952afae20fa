#!/usr/bin/env node
// `npx parley <verb>`. In the checkout: the npm scripts of the same name, and every verb of `npm run parley`; prints no banner, as npm run does.
// In the installed package: the command line itself, on this Node or, where that is too old, on one that npm fetches once. Imports nothing but Node.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const NEEDED_NODE = [24, 11];
const FETCH_WITHIN_MS = 300_000;

if (existsSync(join(root, 'scripts', 'bootstrap.mjs'))) await inCheckout();
else await inPackage(join(root, 'dist', 'apps', 'cli', 'src', 'main.js'));

async function inCheckout() {
  const scripts = ['start', 'stop', 'status', 'demo', 'dev', 'test', 'bench', 'chaos'];
  const [verb, ...rest] = process.argv.slice(2);
  process.argv.splice(2, Infinity, ...(scripts.includes(verb) ? [verb, ...rest] : ['parley', ...process.argv.slice(2)]));
  await import('./bootstrap.mjs');
}

async function inPackage(entry) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > NEEDED_NODE[0] || (major === NEEDED_NODE[0] && minor >= NEEDED_NODE[1])) return import(pathToFileURL(entry).href);
  const child = spawn(newerNode(), [entry, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A Ctrl-C reaches both; here it only must not end us before the one that stops in order.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  child.once('error', (error) => stopWith(error.message));
  child.once('exit', (code, signal) => process.exit(signal === null ? code : 128 + (constants.signals[signal] ?? 0)));
}

/** The Node that Parley is tested with, which npm keeps with what npx has fetched. */
function newerNode() {
  const { config } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const wanted = `node-${platform}-${process.arch}@${config.node}`;
  const why = `Parley runs on Node ${NEEDED_NODE.join('.')} or newer, and this is Node ${process.versions.node}`;
  const npm = npmScript();
  if (npm === undefined) return stopWith(`${why}; install a newer one: https://nodejs.org`);
  const args = [npm, 'exec', '--yes', `--package=${wanted}`, '--', 'node', '-p', 'process.execPath'];
  const answer = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: FETCH_WITHIN_MS });
  const path = answer.stdout?.trim().split('\n').at(-1) ?? '';
  if (answer.status === 0 && existsSync(path)) return path;
  return stopWith(`${why}; npm could not fetch ${wanted}: ${answer.stderr?.trim() ?? ''}\nInstall a newer Node: https://nodejs.org`);
}

/** npm as a script: its command is a shell script on Windows. */
function npmScript() {
  const beside = [['node_modules'], ['..', 'lib', 'node_modules'], ['..', 'share', 'nodejs']];
  const known = beside.map((path) => join(dirname(process.execPath), ...path, 'npm', 'bin', 'npm-cli.js'));
  return [process.env.npm_execpath ?? '', ...known].find((path) => path.endsWith('npm-cli.js') && existsSync(path));
}

function stopWith(message) {
  process.stderr.write(`parley: ${message}\n`);
  process.exit(1);
}
