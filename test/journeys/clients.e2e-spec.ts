import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { createClient } from '@hey-api/openapi-ts';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { projectRoot } from '#lib/devstack/project-root';
import { openBrowser } from '#lib/testing/browser';
import { PickyModel } from '#lib/testing/picky-model';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { GENERATED_CLIENT_PROGRAM, PACKAGE_PROGRAM, PAGE_PROGRAM } from './clients/programs.js';

// Clients as their users have them: one that a public generator makes of the OpenAPI document, and our own as an installed package.

const POISON = 'this text is poison to the model';
const modules = join(projectRoot, 'node_modules');
const tsc = join(modules, 'typescript7', 'bin', 'tsc');

let parley: RunningParley;
let model: PickyModel;
let folder = '';
let pages: Server;
let origin = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-clients-'));
  pages = createServer((request, response) => {
    const name = request.url === '/' ? 'index.html' : (request.url ?? '').slice(1);
    void readFile(join(folder, 'page', 'dist', name)).then(
      (content) => response.writeHead(200, { 'content-type': name.endsWith('.js') ? 'text/javascript' : 'text/html' }).end(content),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  model = await PickyModel.start((text) => text === POISON);
  parley = await startParley({ stack: inject('stack'), env: { ...model.settings, CORS_ORIGINS: origin } });
});
afterAll(async () => {
  await parley?.stop();
  model?.stop();
  pages?.close();
  await rm(folder, { recursive: true, force: true });
});

interface Output {
  readonly stdout: string;
  readonly stderr: string;
}
const run = (args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): Promise<Output> =>
  promisify(execFile)(process.execPath, args, { cwd, env: { PATH: process.env['PATH'], ...env }, timeout: 90_000 }).catch(
    (error: unknown) => {
      const { stdout = '', stderr = '' } = error as Partial<Output>;
      throw new Error(`${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: error });
    },
  );

/** Strict, and without skipping the declarations that are tested. */
const compilerOptions = {
  target: 'es2022',
  lib: ['es2022', 'DOM', 'DOM.Iterable'],
  strict: true,
  skipLibCheck: false,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: false,
  types: ['node'],
  typeRoots: [join(modules, '@types')],
  outDir: 'out',
  rootDir: '.',
};
const project = (cwd: string, name: string, options: object, files: readonly string[]) =>
  writeFile(join(cwd, name), JSON.stringify({ compilerOptions: { ...compilerOptions, ...options }, files }));
const NODENEXT = { module: 'nodenext', moduleResolution: 'nodenext' };
const BUNDLER = { module: 'esnext', moduleResolution: 'bundler', noEmit: true };

const socketUrl = () => `${parley.realtime.url.replace(/^http/, 'ws')}/v1/ws`;

describe('a client that a public generator makes of the OpenAPI document', () => {
  let cwd = '';
  beforeAll(async () => {
    cwd = join(folder, 'generated-client');
    await mkdir(cwd);
    await writeFile(join(cwd, 'package.json'), '{"type":"module"}');
    await createClient({ input: `${parley.url}/openapi.json`, output: join(cwd, 'generated'), logs: { level: 'silent' } });
    await writeFile(join(cwd, 'program.ts'), GENERATED_CLIENT_PROGRAM);
    await project(cwd, 'tsconfig.json', { ...NODENEXT, skipLibCheck: true }, ['program.ts']);
  }, 90_000);

  it('knows every shape: only what may be anything is of an unknown type', async () => {
    const types = await readFile(join(cwd, 'generated', 'types.gen.ts'), 'utf8');
    const open = types.split('\n').filter((line) => /[:<|=] ?\b(?:unknown|any)\b/.test(line) && !/^\s*\*/.test(line));
    // What users attach to messages, the payload of a dead letter and its headers, and a whole document of AsyncAPI.
    expect(open.map((line) => line.trim()).toSorted()).toEqual([
      '[key: string]: unknown;',
      '[key: string]: unknown;',
      'export type JsonValue = unknown;',
      'payload: unknown;',
    ]);
  });

  it('creates, sends, pages, searches, builds context, edits, ends and repairs, with typed errors', async () => {
    await run([tsc, '-p', 'tsconfig.json'], cwd);
    const [ALICE, OLGA] = await Promise.all([parley.tokenOf({ user: 'alice' }), parley.tokenOf({ user: 'olga', scopes: ['admin'] })]);
    const { stdout } = await run(['out/program.js'], cwd, { PARLEY_URL: parley.url, ALICE, OLGA, POISON });
    expect(JSON.parse(stdout)).toEqual({
      known: Array.from({ length: 7 }, () => true),
      replayed: [true, 'true'],
      reused: 'idempotency-key-reused',
      page: ['Shall we have coffee?'],
      hit: 'Shall we have coffee?',
      context: 1,
      edited: 2,
      conflict: ['version-conflict', 'read it again'],
      ended: 'accepted',
      friendship: expect.stringMatching(/^(stranger|acquaintance|friend)$/),
      letter: ['TextRejected', 'json', 1],
      notForAlice: 'forbidden',
      wrong: ['/content'],
      health: expect.stringMatching(/^(ok|degraded)$/),
    });
  });
});

describe('the package of the TypeScript client, installed', () => {
  let cwd = '';
  beforeAll(async () => {
    cwd = join(folder, 'package');
    await mkdir(cwd);
    // Below `npm test` npm hands on that the checkout runs no scripts; packing compiles in one.
    const pack = ['pack', '--ignore-scripts=false', '--pack-destination', cwd];
    await promisify(execFile)('npm', pack, { cwd: join(projectRoot, 'clients', 'typescript') });
    const [tarball = ''] = (await readdir(cwd)).filter((name) => name.endsWith('.tgz'));
    await writeFile(join(cwd, 'package.json'), '{"type":"module","private":true}');
    await promisify(execFile)('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${tarball}`], { cwd });
    // For the program that brings its own socket.
    await symlink(join(modules, 'ws'), join(cwd, 'node_modules', 'ws'));
    const readme = await readFile(join(cwd, 'node_modules', '@parley', 'client', 'README.md'), 'utf8');
    await writeFile(join(cwd, 'example.ts'), /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '');
    await writeFile(join(cwd, 'program.ts'), PACKAGE_PROGRAM);
    const paths = { ws: [join(modules, '@types', 'ws', 'index.d.mts')] };
    await project(cwd, 'tsconfig.json', { ...NODENEXT, paths }, ['example.ts', 'program.ts']);
    await project(cwd, 'tsconfig.bundler.json', { ...BUNDLER, paths }, ['example.ts', 'program.ts']);
    await run([tsc, '-p', 'tsconfig.json'], cwd);
  }, 90_000);

  it('brings types that a strict compiler takes, for Node and for bundlers, and maps from them to its sources', async () => {
    // For Node it was compiled above, into the programs that run below.
    await run([tsc, '-p', 'tsconfig.bundler.json'], cwd);
    const client = join(cwd, 'node_modules', '@parley', 'client');
    const map = JSON.parse(await readFile(join(client, 'dist', 'index.d.ts.map'), 'utf8')) as { sources: string[] };
    await expect(readFile(join(client, 'dist', map.sources[0] ?? ''), 'utf8')).resolves.toContain('ParleySocket');
  });

  const settings = async () => ({
    PARLEY_URL: parley.url,
    PARLEY_SOCKET_URL: socketUrl(),
    PARLEY_TOKEN: await parley.tokenOf({ user: 'alice' }),
  });

  it('does what the first example of its README says', async () => {
    const { stdout } = await run(['out/example.js'], cwd, await settings());
    expect(stdout).toMatch(/^created 1 alice Shall we have coffee\?\n\d+ found\n$/);
  });

  it('works where Node has no WebSocket of its own, with the one that it is given', async () => {
    const { stdout } = await run(['--no-experimental-websocket', 'out/program.js'], cwd, await settings());
    expect(JSON.parse(stdout)).toEqual({
      hasOwnSocket: false,
      seen: ['created', 'created', 'created'],
      stored: [
        [1, 1],
        [2, 2],
        [3, 3],
      ],
      conflict: ['version-conflict', 412],
      found: 3,
    });
  });

  it('is small in a bundle, and works in a browser', async ({ skip }) => {
    const root = join(folder, 'page');
    await mkdir(root);
    await writeFile(join(root, 'main.ts'), PAGE_PROGRAM);
    await writeFile(join(root, 'index.html'), '<!doctype html><title>-</title><script type="module" src="./main.ts"></script>');
    await symlink(join(cwd, 'node_modules'), join(root, 'node_modules'));
    await build({ root, logLevel: 'error', configFile: false, build: { outDir: 'dist', assetsDir: '', modulePreload: false } });
    const [bundle = ''] = (await readdir(join(root, 'dist'))).filter((name) => name.endsWith('.js'));
    const bytes = gzipSync(await readFile(join(root, 'dist', bundle))).length;
    expect(bytes).toBeLessThan(14_000);

    const browser = await openBrowser();
    if ('missing' in browser) return skip(browser.missing);
    try {
      const token = await parley.tokenOf({ user: 'alice' });
      const hash = encodeURIComponent(JSON.stringify({ url: parley.url, socketUrl: socketUrl(), token }));
      const { page } = await browser.open(`${origin}/#${hash}`);
      await page.waitForFunction("document.title !== '-'");
      expect(await page.title()).toBe('from a browser, 1 stored');
    } finally {
      await browser.close();
    }
  });
});

it('Swagger UI shows the operations under its policy', async ({ skip }) => {
  const browser = await openBrowser();
  if ('missing' in browser) return skip(browser.missing);
  try {
    const { page, complaints } = await browser.open(`${parley.url}/docs`);
    await page.waitForSelector('#operations-messages-sendMessage');
    await page.click('#operations-messages-sendMessage .opblock-summary-control');
    await page.waitForSelector('#operations-messages-sendMessage textarea');
    expect(await page.inputValue('#operations-messages-sendMessage textarea')).toContain('Shall we have coffee?');
    expect(complaints).toEqual([]);
  } finally {
    await browser.close();
  }
});
