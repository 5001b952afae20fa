import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { projectRoot } from '#lib/devstack/project-root';

/** `npm ci` as far as bootstrap sees it: says that it began, and ends when `let-go` appears, when told to, or with an error. */
const NPM = `
  const { appendFileSync, existsSync } = require('node:fs');
  if (process.argv[2] === '--version') { console.log('11.0.0'); process.exit(0); }
  process.on('SIGTERM', () => setTimeout(() => { appendFileSync('npm.log', 'end ' + process.pid + '\\n'); process.exit(143); }, 200));
  appendFileSync('npm.log', 'begin ' + process.pid + '\\n');
  if (process.env.NPM_SAYS) { console.error(process.env.NPM_SAYS); process.exit(1); }
  setInterval(() => { if (existsSync('let-go')) process.exit(1); }, 20);
`;

it('installing runs no program of any package', () => {
  expect(readFileSync(join(projectRoot, '.npmrc'), 'utf8')).toMatch(/^ignore-scripts=true$/m);
});

describe('the first start', { timeout: 30_000 }, () => {
  let root: string;
  let children: ChildProcess[];

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "parley bootstrap's "));
    mkdirSync(join(root, 'scripts'));
    copyFileSync(join(projectRoot, 'scripts', 'bootstrap.mjs'), join(root, 'scripts', 'bootstrap.mjs'));
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': {}, 'node_modules/x': { version: '1.0.0' } } }));
    writeFileSync(join(root, 'npm.js'), NPM);
    children = [];
  });
  afterEach(() => {
    writeFileSync(join(root, 'let-go'), '');
    for (const child of children) child.kill('SIGKILL');
    for (const { pid } of npms()) tryKill(pid);
    rmSync(root, { recursive: true, force: true });
  });

  function start(env: NodeJS.ProcessEnv = {}) {
    const child = spawn(process.execPath, [join(root, 'scripts', 'bootstrap.mjs'), 'start'], {
      env: { PATH: process.env['PATH'], npm_execpath: join(root, 'npm.js'), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    const code = new Promise<number | null>((resolve) => child.once('close', resolve));
    return { child, code, said: () => said };
  }

  /** What npm wrote down: `begin` and `end` of each run. */
  function npms(): { what: string; pid: number }[] {
    const log = join(root, 'npm.log');
    const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
    return lines.map((line) => ({ what: line.split(' ')[0] ?? '', pid: Number(line.split(' ')[1]) }));
  }

  it('ends its npm on a Ctrl-C, waits for it, and leaves no lock', async () => {
    const { child, code } = start();
    await eventually(() => expect(npms()).toHaveLength(1));
    child.kill('SIGINT');
    expect(await code).toBe(130);
    expect(npms().map(({ what }) => what)).toEqual(['begin', 'end']);
    expect(existsSync(join(root, '.parley-bootstrap.lock'))).toBe(false);
  });

  it('waits for another one that is installing, and says so', async () => {
    start();
    await eventually(() => expect(npms()).toHaveLength(1));
    const second = start();
    await eventually(() => expect(second.said()).toMatch(/another command \(pid \d+\) is installing or building here; waiting/));
    expect(npms()).toHaveLength(1);
  });

  it('ends the npm that a killed one left behind before it begins anew', async () => {
    const first = start();
    await eventually(() => expect(npms()).toHaveLength(1));
    await eventually(() => expect(readFileSync(join(root, '.parley-bootstrap.lock'), 'utf8')).toContain('worker'));
    first.child.kill('SIGKILL');
    await first.code;
    start();
    await eventually(() => expect(npms().filter(({ what }) => what === 'begin')).toHaveLength(2));
    const [left] = npms();
    await eventually(() => expect(isAlive(left?.pid ?? 0)).toBe(false));
  });

  it.each([
    ['npm error code ENOTEMPTY', 'Another npm'],
    ['npm error code EACCES', 'may not write'],
    ['npm error code ENOSPC', 'disk is full'],
    ['npm error code ENOTFOUND', 'Check the network'],
    ['npm error code E503', 'Check the network'],
    ['npm error code EUSAGE', 'package-lock.json'],
    ['npm error something new', 'When that is mended'],
  ])('says what to do about "%s"', async (said, wayOut) => {
    const failed = start({ NPM_SAYS: said });
    expect(await failed.code).toBe(1);
    expect(failed.said()).toContain(said);
    expect(failed.said()).toContain(wayOut);
    expect(failed.said().includes('network')).toBe(wayOut.includes('network'));
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}
