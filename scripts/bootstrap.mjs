#!/usr/bin/env node
// What every npm script of this package goes through: `node scripts/bootstrap.mjs <verb> [arguments]`.
// It runs on any Node from 20 on and imports nothing but Node itself, because it is what installs and builds the rest.
// Quiet when there is nothing to do.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, linkSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const dist = join(root, 'dist');
/** What Vite writes, and clears, itself. */
const pages = join(dist, 'console') + sep;
const marker = join(dist, '.fingerprint');
const lockFile = join(root, '.parley-bootstrap.lock');
const OLDEST_NPM = 9; // the one that came with Node 20; older ones read our lock file differently
const NEEDED_NODE = [24, 11];
const INSTALL_TIMEOUT_MS = 600_000;
const BUILD_TIMEOUT_MS = 120_000;
/** npm needs a moment to end its own children. */
const STOP_WITHIN_MS = 5_000;

const EXIT_INTERRUPTED = 130;
/** What is not an entry point of `scripts/`. */
const entries = { parley: 'apps/cli/src/main.js', bench: 'test/bench/main.js', chaos: 'test/chaos/main.js' };

const [verb = '', ...args] = process.argv.slice(2);
/** The child that works for us just now; a signal to us is for it. */
let working;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupted(signal));

try {
  if (!/^[a-z-]+$/.test(verb)) stopWith('usage: node scripts/bootstrap.mjs <start|stop|status|dev|test|demo|parley> [arguments]');
  if (!isReady()) await oneAtATime(makeReady);
  await hand(findNode(), verb, args);
} catch (error) {
  stopWith(reasonOf(error));
}

function isReady() {
  return packagesMatchTheLock() && readText(marker) === sourcesFingerprint();
}

async function makeReady() {
  await installPackages();
  await build(findNode());
}

// ---- one at a time --------------------------------------------------------------------------------------------------------------

/**
 * Two that install or build at once would remove each other's files, so the second waits for the first. The lock names its holder, and one
 * whose holder is gone is free.
 */
async function oneAtATime(work) {
  const waitsFrom = Date.now();
  for (let told = false; !takeLock(); told = true) {
    if (!told) tell(`another command (pid ${lockHolder()?.pid ?? 'unknown'}) is installing or building here; waiting for it ...`);
    if (Date.now() - waitsFrom > INSTALL_TIMEOUT_MS + BUILD_TIMEOUT_MS)
      stopWith(`${lockFile} has been held for too long by pid ${lockHolder()?.pid}`);
    await sleep(200);
  }
  try {
    await work();
  } finally {
    rmSync(lockFile, { force: true });
  }
}

function takeLock() {
  // Written beside it and then linked, so that a lock is never there without its holder's name in it.
  const draft = `${lockFile}.${process.pid}`;
  try {
    writeFileSync(draft, JSON.stringify(identity(process.pid)));
    linkSync(draft, lockFile);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    const holder = lockHolder();
    if (isAlive(holder)) return false;
    if (isAlive(holder?.worker)) killGroup(holder.worker, 'SIGKILL'); // its npm, which would go on beside ours
    setLockAside();
    return false;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes the lock of a holder that is gone, unless another start has done that and taken it meanwhile: then it is given back. */
function setLockAside() {
  const aside = `${lockFile}.${process.pid}.gone`;
  try {
    renameSync(lockFile, aside);
    if (isAlive(readJson(aside))) linkSync(aside, lockFile);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** In one step, so that no reader finds half of it and takes the lock for free. */
function nameWorker(worker) {
  const draft = `${lockFile}.${process.pid}`;
  writeFileSync(draft, JSON.stringify({ ...identity(process.pid), worker: identity(worker) }));
  renameSync(draft, lockFile);
}

function lockHolder() {
  return readJson(lockFile);
}

function identity(pid) {
  return { pid, startedAt: startOf(pid) };
}

function isAlive(identified) {
  return identified !== undefined && startOf(identified.pid) === identified.startedAt;
}

/** When a process started, so that a later one with its number is not taken for it; undefined when it is gone. */
function startOf(pid) {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat !== undefined) return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  if (existsSync('/proc/self/stat')) return undefined;
  const answer = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', timeout: 2_000 });
  return answer.status === 0 ? answer.stdout.trim() : undefined;
}

/** A Ctrl-C ends what works for us too, waits for it, and only then leaves: npm would go on alone and meet the next start. */
async function interrupted(signal) {
  if (working === undefined) return process.exit(EXIT_INTERRUPTED);
  const { child, done, handsOver } = working;
  if (handsOver) return void child.kill(signal); // it has an order of its own in which it stops
  if (working.isEnding) return;
  working.isEnding = true;
  killGroup(child, 'SIGTERM');
  const timer = setTimeout(() => killGroup(child, 'SIGKILL'), STOP_WITHIN_MS);
  await done.catch(() => undefined);
  clearTimeout(timer);
  killGroup(child, 'SIGKILL'); // what it started and left
  rmSync(lockFile, { force: true });
  tell('interrupted; the next start begins where this one was');
  process.exit(EXIT_INTERRUPTED);
}

function killGroup({ pid }, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone already.
  }
}

// ---- install ------------------------------------------------------------------------------------------------------------------

async function installPackages() {
  if (packagesMatchTheLock()) return;
  const npm = findNpm();
  const why = existsSync(modules) ? 'package-lock.json has changed' : 'first run';
  const result = await runWithTicker(
    `installing npm packages (${why})`,
    npm.command,
    [...npm.args, 'ci', '--no-audit', '--no-fund', '--loglevel=error'],
    INSTALL_TIMEOUT_MS,
  );
  if (result.code !== 0) {
    stopWith(`npm ci failed (code ${result.code}). What it said:\n${tail(result.output)}\n${wayOut(result.output)}`);
  }
}

/** What to do about a failed installation, by what npm said. */
function wayOut(output) {
  const is = (codes) => new RegExp(`\\b(${codes})\\b`).test(output);
  const again = 'then run the same command again.';
  if (is('EACCES|EPERM|EROFS'))
    return `This user may not write to ${modules}, ${ownerOf(modules)}. Give it to this user (chown -R) or run as that one, ${again}`;
  if (is('ENOSPC|EDQUOT')) return `The disk is full: make room (about 1 GB is needed), ${again}`;
  if (is('ENOTEMPTY|EBUSY')) return `Another npm, or a program that runs from there, uses ${modules}: wait for it or end it, ${again}`;
  if (is('EUSAGE|EINTEGRITY|ERESOLVE'))
    return `package-lock.json and what the registry has do not fit together: restore it (git checkout package-lock.json), ${again}`;
  if (is('ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|E4\\d\\d|E5\\d\\d|ERR_SOCKET_TIMEOUT|CERT_\\w+'))
    return `Check the network and the registry (\`npm config get registry\`), ${again}`;
  return `When that is mended, run the same command again.`;
}

function ownerOf(path) {
  try {
    const { uid } = statSync(existsSync(path) ? path : root);
    const { stdout } = spawnSync('id', ['-nu', String(uid)], { encoding: 'utf8', timeout: 2_000 });
    return `which belongs to ${stdout?.trim() || `user ${uid}`}`;
  } catch {
    return 'whose owner is not known';
  }
}

/** A file that may not be written has an owner, and that is what a caller must know. */
function reasonOf(error) {
  if (error?.path !== undefined && (error.code === 'EACCES' || error.code === 'EPERM')) {
    return `cannot write ${error.path}, ${ownerOf(dirname(error.path))}: run as that user, or give the checkout to this one (chown -R)`;
  }
  return error instanceof Error ? error.message : String(error);
}

/**
 * npm itself writes what it installed to node_modules/.package-lock.json, as the last step. Comparing that with our lock also sees
 * an installation that was made by hand, and one that was interrupted.
 */
function packagesMatchTheLock() {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  const installed = readJson(join(modules, '.package-lock.json'))?.packages;
  if (wanted === undefined) stopWith('package-lock.json is missing or damaged: is this a complete clone?');
  if (installed === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = installed[path];
    if (found === undefined) return entry.optional === true || entry.devOptional === true || entry.peer === true;
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

function findNpm() {
  // The npm that runs this script, or else the one on the PATH.
  const script = process.env.npm_execpath;
  const npm = script?.endsWith('.js') && existsSync(script) ? { command: process.execPath, args: [script] } : { command: 'npm', args: [] };
  const version = spawnSync(npm.command, [...npm.args, '--version'], { encoding: 'utf8', timeout: 20_000 });
  if (version.error !== undefined || version.status !== 0) {
    stopWith('npm is missing. It comes with Node: https://nodejs.org (on Debian: apt-get install npm).');
  }
  if (Number.parseInt(version.stdout, 10) < OLDEST_NPM) {
    stopWith(`npm ${version.stdout.trim()} is too old, at least ${OLDEST_NPM} is needed: npm install --global npm@${OLDEST_NPM}`);
  }
  return npm;
}

/** Parley runs on the Node that is one of its packages; where there is none for the platform, the one that runs this must do. */
function findNode() {
  const own = join(modules, '.bin', 'node');
  if (existsSync(own)) return own;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > NEEDED_NODE[0] || (major === NEEDED_NODE[0] && minor >= NEEDED_NODE[1])) return process.execPath;
  return stopWith(
    `Parley runs on Node ${NEEDED_NODE.join('.')} or newer. For ${process.platform}-${process.arch} npm has no package of it, ` +
      `and this is Node ${process.versions.node}: install a newer one from https://nodejs.org and run the same command again.`,
  );
}

// ---- build --------------------------------------------------------------------------------------------------------------------

async function build(node) {
  const fingerprint = sourcesFingerprint();
  if (readText(marker) === fingerprint) return;
  rmSync(marker, { force: true }); // an interrupted build must not look finished
  // Straight into dist, because the compiler finds the sources of `#lib/...` by mapping dist back; what is stale goes afterwards,
  // so that a command that runs from dist meanwhile never finds it empty.
  const compiler = [join(modules, 'typescript7', 'bin', 'tsc'), '-p', 'tsconfig.build.json', '--listEmittedFiles', '--pretty', 'false'];
  const result = await runWithTicker('building', node, compiler, BUILD_TIMEOUT_MS);
  const [emitted, said] = splitEmitted(result.output);
  // `npm test` goes on with what could be compiled: it has a step for types and a closing line to print.
  if (result.code !== 0 && (verb !== 'test' || emitted.size === 0)) stopWith(`the build failed:\n${tail(said, 60)}`);
  removeStale(emitted);
  if (result.code === 0) await buildConsole(node);
  if (result.code === 0) writeFileSync(marker, fingerprint);
}

/** The pages of the console, into dist/console. */
async function buildConsole(node) {
  const result = await runWithTicker(
    'building the console',
    node,
    [join(modules, 'vite', 'bin', 'vite.js'), 'build', 'apps/console'],
    BUILD_TIMEOUT_MS,
  );
  if (result.code !== 0) stopWith(`the build of the console failed:\n${tail(result.output, 60)}`);
}

function splitEmitted(output) {
  const lines = output.split('\n');
  const isEmitted = (line) => line.startsWith('TSFILE: ');
  const emitted = new Set(lines.filter(isEmitted).map((line) => resolve(root, line.slice('TSFILE: '.length).trim())));
  return [emitted, lines.filter((line) => !isEmitted(line)).join('\n')];
}

function removeStale(emitted) {
  for (const file of readdirSync(dist, { recursive: true }).map((name) => join(dist, name))) {
    if (/\.(js|map|json)$/.test(file) && !emitted.has(file) && !file.startsWith(pages)) rmSync(file, { force: true });
  }
}

/** Changes whenever a source file, a compiler setting or an installed package does: names, sizes and times, not contents. */
function sourcesFingerprint() {
  const hash = createHash('sha256');
  const add = (path) => {
    const { mtimeMs, size } = statSync(join(root, path));
    hash.update(`${path}\0${mtimeMs}\0${size}\n`);
  };
  for (const folder of ['apps', 'clients', 'libs', 'scripts', 'test']) {
    if (!existsSync(join(root, folder))) continue;
    const files = readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, file));
    for (const file of files.filter((each) => /\.(tsx?|json|css|html|svg)$/.test(each)).sort()) add(file);
  }
  for (const file of ['package.json', 'package-lock.json', 'tsconfig.base.json', 'tsconfig.json', 'tsconfig.build.json']) add(file);
  return hash.digest('hex');
}

// ---- run ----------------------------------------------------------------------------------------------------------------------

/** Runs the built command with everything passed through, and ends the way it ended. */
async function hand(node, name, rest) {
  const entry = join(dist, entries[name] ?? `scripts/${name}.js`);
  if (!existsSync(entry)) stopWith(`there is no command "${name}"`);
  const child = spawn(node, ['--enable-source-maps', entry, ...rest], { stdio: 'inherit', env: childEnvironment() });
  // A Ctrl-C reaches the whole process group and npm passes its own copy on, so the child may hear the same one three times;
  // it takes those as one. Here they only must not end us before it.
  working = { child, handsOver: true };
  const parent = process.ppid;
  const orphaned = setInterval(() => {
    // Some shells that npm runs us in die of a SIGTERM without passing it on.
    if (process.ppid === parent) return;
    clearInterval(orphaned);
    child.kill('SIGTERM');
  }, 1_000);
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (...how) => resolve(how));
  });
  clearInterval(orphaned);
  process.exitCode = signal === null ? code : 128 + (constants.signals[signal] ?? 0);
}

function childEnvironment() {
  const env = { ...process.env, PATH: [join(modules, '.bin'), process.env.PATH].filter(Boolean).join(delimiter) };
  // Libraries take CI=true for a terminal with colours; a file or a pipe is none, wherever it is.
  if (!process.stdout.isTTY && env.FORCE_COLOR === undefined) env.NO_COLOR = '1';
  return env;
}

// ---- small things ---------------------------------------------------------------------------------------------------------------

/** Runs a command silently; tells every few seconds that it is still at it. */
async function runWithTicker(what, command, args, timeoutMs) {
  const startedAt = Date.now();
  const tick = setInterval(() => tell(`${what} ... ${Math.round((Date.now() - startedAt) / 1_000)} s`), 5_000);
  const first = setTimeout(() => tell(`${what} ...`), 500); // what takes less needs no line
  try {
    // A group of its own, so that all of it can be ended and a Ctrl-C reaches it through us alone.
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    const done = new Promise((resolve, reject) => {
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (output += chunk));
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code: code ?? signal, output }));
    });
    working = { child, done };
    if (child.pid !== undefined) nameWorker(child.pid);
    const result = await done;
    if (working.isEnding) await new Promise(() => undefined); // interrupted() leaves
    return result;
  } finally {
    working = undefined;
    clearInterval(tick);
    clearTimeout(first);
  }
}

function tell(line) {
  process.stderr.write(`parley: ${line}\n`);
}

function tail(text, lines = 30) {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function stopWith(message) {
  process.stderr.write(`parley: ${message}\n`);
  process.exit(1);
}
