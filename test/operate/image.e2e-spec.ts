import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { findProgram, runCommand, runOrThrow } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { eventually } from '#lib/testing/eventually';
import { imagePackages, inspectImage, type Lock } from '../../scripts/image/inspect.js';

/** One `FROM`: what it copies from the checkout, and what it runs. */
interface Stage {
  readonly name: string | undefined;
  readonly copies: readonly { readonly from: readonly string[]; readonly to: string }[];
  readonly runs: readonly string[];
}

function stagesOf(dockerfile: string): Stage[] {
  return dockerfile
    .split(/^FROM /m)
    .slice(1)
    .map((text) => ({
      name: /^\S+ AS (\w+)/.exec(text)?.[1],
      copies: [...text.matchAll(/^COPY (?!--from)(.+)$/gm)].map(([, words = '']) => {
        const paths = words.split(' ');
        return { from: paths.slice(0, -1), to: paths.at(-1) ?? '.' };
      }),
      runs: [...text.matchAll(/^RUN (.+)$/gm)].map(([, command = '']) => command),
    }));
}

/** As a builder does: only what .dockerignore lets through, folders by their content. */
function copyInto(folder: string, { copies }: Stage): void {
  const ignored = /\.(spec|int-spec|e2e-spec|contract)\.ts$|\/libs\/testing$/;
  for (const { from, to } of copies) {
    for (const path of from) {
      const target = from.length > 1 || to.endsWith('/') || to === '.' ? join(folder, to, basename(path)) : join(folder, to);
      mkdirSync(join(target, '..'), { recursive: true });
      cpSync(join(projectRoot, path), target, { recursive: true, filter: (file) => !ignored.test(file) });
    }
  }
}

/** What `npm ci --omit=dev` and the line after it leave: by hard links where the file systems allow it. */
function linkProductionPackages(folder: string, lock: Lock): void {
  for (const path of imagePackages(lock)) {
    for (const file of filesOf(join(projectRoot, path))) {
      const target = join(folder, path, file);
      mkdirSync(dirname(target), { recursive: true });
      try {
        linkSync(join(projectRoot, path, file), target);
      } catch {
        copyFileSync(join(projectRoot, path, file), target);
      }
    }
  }
}

/** Of one package, without those inside of it. */
function filesOf(folder: string, below = ''): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesOf(folder, path);
    return entry.isFile() ? [path] : [];
  });
}

/** Every package, and path inside one, that built code names. */
function packagesNamedBy(dist: string): string[] {
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'));
  const named = files.flatMap((file) =>
    [...readFileSync(join(dist, file), 'utf8').matchAll(/(?:\bfrom |^import |\bimport\()'([^'.#/][^']*)'/gm)].map(([, name = '']) => name),
  );
  return [...new Set(named)].filter((name) => !name.startsWith('node:')).sort();
}

const apps = readdirSync(join(projectRoot, 'apps'))
  .filter((app) => existsSync(join(projectRoot, 'apps', app, 'src', 'main.ts')))
  .sort();
const dockerfile = readFileSync(join(projectRoot, 'docker', 'Dockerfile'), 'utf8');
const lock = JSON.parse(readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')) as Lock;

describe('docker/Dockerfile, run step by step in a folder with just what it copies', { timeout: 120_000 }, () => {
  const stages = stagesOf(dockerfile);
  const stage = (name: string) => {
    const found = stages.find((each) => each.name === name);
    if (found === undefined) throw new Error(`the Dockerfile has no stage "${name}"`);
    return found;
  };
  let image: string;
  let said: string;
  let freed: string;

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'parley-image-'));
    image = join(folder, 'app');
    const run = async (where: string, { runs }: Stage) => {
      const results = [];
      // Installing is npm's business; what `npm ci` would put there is here already.
      for (const command of runs.filter((each) => !each.startsWith('npm ci')))
        results.push(await runCommand('/bin/sh', ['-c', command], { timeoutMs: 100_000, cwd: where, env: withThisNode() }));
      return results;
    };
    const build = join(folder, 'build');
    copyInto(build, stage('build'));
    symlinkSync(join(projectRoot, 'node_modules'), join(build, 'node_modules'));
    const results = await run(build, stage('build'));
    said = results.map(({ code, stdout, stderr }) => `${code} ${stdout}${stderr}`).join('\n');

    const packages = join(folder, 'packages');
    copyInto(packages, stage('packages'));
    linkProductionPackages(packages, lock);
    freed = (await run(packages, stage('packages'))).map(({ code, stdout, stderr }) => `${code}\n${stdout}${stderr}`).join('');

    const final = stages.at(-1);
    if (final !== undefined) copyInto(image, final);
    cpSync(join(build, 'dist'), join(image, 'dist'), { recursive: true });
    cpSync(join(packages, 'node_modules'), join(image, 'node_modules'), { recursive: true, verbatimSymlinks: true });
  }, 180_000);
  afterAll(() => rmSync(dirname(image), { recursive: true, force: true }));

  it('builds', () => {
    expect(said).toMatch(/^(?:0 \s*)+$/);
  });

  it('removes something by each line of docker/prune.mjs: one that removes nothing is out of date', () => {
    expect(freed).toMatch(/^0\n/);
    const lines = freed.trim().split('\n').slice(1);
    expect(lines.length).toBeGreaterThan(15);
    expect(lines.filter((line) => / 0\.0 MB/.test(line))).toEqual([]);
  });

  it('still finds every package that Parley imports, after what Node never loads is gone', async () => {
    const names = packagesNamedBy(join(image, 'dist'));
    expect(names.length).toBeGreaterThan(25);
    expect(names).toEqual(
      expect.arrayContaining(['gpt-tokenizer/encoding/o200k_base', 'typeorm', '@nestjs/swagger', '@aws-sdk/client-s3']),
    );
    const program = `await import('reflect-metadata'); for (const name of ${JSON.stringify(names)}) await import(name).catch((error) => console.log(name, String(error)));
      for (const name of ['index.js', 'swagger-ui-bundle.js', 'swagger-ui.css']) (await import('node:fs')).statSync('node_modules/swagger-ui-dist/' + name);`;
    // Inside of the folder: a bare name is looked up from where the importing file is.
    writeFileSync(join(image, 'imports.mjs'), program);
    const result = await runCommand(process.execPath, ['imports.mjs'], { timeoutMs: 60_000, cwd: image });
    rmSync(join(image, 'imports.mjs'));
    expect(result).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('holds no key, no settings, no test, no package of developers, and at most 120 MB beside the base image', () => {
    const { bytes, files, findings } = inspectImage(image, lock);
    expect(findings).toEqual([]);
    expect(files).toBeGreaterThan(1_000);
    // The whole image may have 350 MB; node:24-bookworm-slim has some 230.
    expect(bytes).toBeLessThan(120_000_000);
    expect(existsSync(join(image, 'node_modules', 'pg', 'LICENSE'))).toBe(true);
  });

  it('holds every app that compose.yaml runs', () => {
    const compose = readFileSync(join(projectRoot, 'docker', 'compose.yaml'), 'utf8');
    const run = new Set(
      [...compose.matchAll(/^ {4}command: \[(\w+)[\],]/gm)].map(([, app = '']) => app).filter((app) => apps.includes(app)),
    );
    // Beside them the operator's command line, and what runs without a command: all of them in one process.
    expect([...run, 'cli', 'standalone'].sort()).toEqual(apps);
    expect(dockerfile).toMatch(/^CMD \["embedded"\]$/m);
    for (const app of apps) expect(existsSync(join(image, 'dist', 'apps', app, 'src', 'main.js'))).toBe(true);
  });

  it('runs the app that its command names, and says which there are when it does not know one', async () => {
    const run = (...args: string[]) =>
      runCommand(join(image, 'docker', 'run'), args, { timeoutMs: 55_000, cwd: image, env: withThisNode() });
    expect(await run('nothing')).toMatchObject({ code: 64, stderr: expect.stringContaining(`apps: ${apps.join(' ')}`) });
    // Without any setting each app gets as far as its configuration.
    const commands = [...apps.filter((app) => app !== 'cli').map((app) => [app]), ['ops', 'migrate']];
    const refused = { code: 78, stderr: expect.stringContaining('DATABASE_URL: is not set') };
    expect(await Promise.all(commands.map((args) => run(...args)))).toMatchObject(commands.map(() => refused));
    expect(await run('cli', 'queues')).toMatchObject({ code: 1, stderr: expect.stringContaining('Parley is not running') });
  });

  it('runs all of Parley in one process without a command, on all interfaces of its container, and ends with 0 on SIGTERM', async () => {
    const home = join(dirname(image), 'home');
    chmodSync(dirname(image), 0o711); // for the user that Postgres runs as when this is root
    const [port = 0] = await freePorts(1);
    const env = { ...withThisNode(), PORT: String(port), PARLEY_HOME: home, NO_COLOR: '1' };
    const container = spawn(join(image, 'docker', 'run'), ['embedded'], { cwd: image, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    container.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    const ended = new Promise((resolve) => container.once('close', (...how) => resolve(how)));
    await eventually(() => expect(said).toMatch(/ready in \d/), { timeoutMs: 60_000 });
    expect((await fetch(`http://127.0.0.1:${port}/v1/health`)).status).toBe(200);
    const { environment } = JSON.parse(readFileSync(join(home, 'state.json'), 'utf8')) as { environment: { HOST: string } };
    expect(environment.HOST).toBe('0.0.0.0');
    container.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(said).toContain('everything has stopped');
  });
});

describe('the look through an image', () => {
  let app: string;
  beforeAll(() => {
    app = mkdtempSync(join(tmpdir(), 'parley-inspect-'));
    const files = {
      'dist/apps/gateway/main.js': 'export {};',
      'dist/libs/testing/src/eventually.js': '',
      'dist/libs/bus/src/bus.contract.js': '',
      '.env': 'A=1',
      'docker/s3.env': '',
      '.git/HEAD': '',
      'node_modules/pg/index.js': "const header = '-----BEGIN PRIVATE KEY-----';",
      'node_modules/vitest/index.js': '',
      'node_modules/pg/node_modules/@types/pg/index.js': '',
      'node_modules/zod/key.js': `const key = '-----BEGIN RSA PRIVATE KEY-----\\n${'A'.repeat(64)}\\n';`,
      'node_modules/zod/aws.js': "const id = 'AKIAABCDEFGHIJKLMNOP';",
      'dist/url.js': "connect('postgres://parley:a-real-password-1@db/parley')",
      'dist/example.js': "connect('postgres://parley:password@db/parley', `amqp://${user}:${password}@host`)",
    };
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(app, path)), { recursive: true });
      writeFileSync(join(app, path), text);
    }
  });
  afterAll(() => rmSync(app, { recursive: true, force: true }));

  it('finds keys, settings, tests and packages of developers, and nothing else', () => {
    const packages = { '': {}, 'node_modules/pg': {}, 'node_modules/zod': {}, 'node_modules/vitest': { dev: true } };
    expect(inspectImage(app, { packages }).findings).toEqual([
      '.env: settings of a developer',
      '.git: a git repository',
      'dist/libs/bus/src/bus.contract.js: a test',
      'dist/libs/testing/src/eventually.js: a test',
      'dist/url.js: a URL with a password',
      'docker/s3.env: settings of a deployment',
      'node_modules/pg/node_modules/@types/pg: a package that does not run in production',
      'node_modules/vitest: a package that does not run in production',
      'node_modules/zod/aws.js: a key of AWS',
      'node_modules/zod/key.js: a private key',
    ]);
  });
});

it('the image runs as a numeric user that is not root, the one that owns its volume', () => {
  const [, uid = '', gid = ''] = /^USER (\d+):(\d+)$/m.exec(dockerfile) ?? [];
  expect(Number(uid)).toBeGreaterThanOrEqual(10_000);
  expect(dockerfile).toContain(`chown ${uid}:${gid} /var/lib/parley /var/lib/parley/objects`);
  expect(dockerfile).toContain(`useradd --uid ${uid} `);
});

const isLong = process.env['PARLEY_LONG_TESTS'] === '1';
it('the image is built and has at most 350 MB', async ({ skip }) => {
  if (!isLong) skip('takes minutes: PARLEY_LONG_TESTS=1');
  if ((findProgram('buildah') ?? findProgram('docker')) === undefined) skip('neither buildah nor docker is on this machine');
  const args = (process.env['IMAGE_ARGUMENTS'] ?? '').split(' ').filter(Boolean);
  const { stdout } = await runOrThrow(process.execPath, [join(projectRoot, 'dist', 'scripts', 'image.js'), '--', ...args], {
    timeoutMs: 1_300_000,
    cwd: projectRoot,
  });
  const [, size = '', unit = ''] = /parley:\S+: ([\d.]+) ?([MG]B),/.exec(stdout) ?? [];
  expect(unit).toBe('MB');
  expect(Number(size)).toBeLessThanOrEqual(350);
}, 1_400_000);

function withThisNode(): NodeJS.ProcessEnv {
  return { PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` };
}
