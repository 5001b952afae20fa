import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';

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
  const ignored = /\.(spec|int-spec|e2e-spec)\.ts$/;
  for (const { from, to } of copies) {
    for (const path of from) {
      const target = from.length > 1 || to.endsWith('/') || to === '.' ? join(folder, to, basename(path)) : join(folder, to);
      mkdirSync(join(target, '..'), { recursive: true });
      cpSync(join(projectRoot, path), target, { recursive: true, filter: (file) => !ignored.test(file) });
    }
  }
}

const apps = readdirSync(join(projectRoot, 'apps')).sort();

describe('docker/Dockerfile, run step by step in a folder with just what it copies', { timeout: 120_000 }, () => {
  const stages = stagesOf(readFileSync(join(projectRoot, 'docker', 'Dockerfile'), 'utf8'));
  let image: string;
  let said: string;

  beforeAll(async () => {
    image = mkdtempSync(join(tmpdir(), 'parley-image-'));
    const build = join(image, 'build');
    const stage = stages.find(({ name }) => name === 'build');
    if (stage === undefined) throw new Error('the Dockerfile has no stage "build"');
    copyInto(build, stage);
    // Installing is npm's business; what `npm ci` would put there is here already.
    symlinkSync(join(projectRoot, 'node_modules'), join(build, 'node_modules'));
    const steps = stage.runs.filter((command) => !command.startsWith('npm ci'));
    const results = [];
    for (const command of steps) results.push(await runCommand('/bin/sh', ['-c', command], { timeoutMs: 100_000, cwd: build }));
    said = results.map(({ code, stdout, stderr }) => `${code} ${stdout}${stderr}`).join('\n');
    const final = stages.at(-1);
    if (final !== undefined) copyInto(image, final);
    if (existsSync(join(build, 'dist'))) cpSync(join(build, 'dist'), join(image, 'dist'), { recursive: true });
    symlinkSync(join(projectRoot, 'node_modules'), join(image, 'node_modules'));
  }, 120_000);
  afterAll(() => rmSync(image, { recursive: true, force: true }));

  it('builds', () => {
    expect(said).toMatch(/^0 \s*$/);
  });

  it('holds every app that compose.yaml runs', () => {
    const compose = readFileSync(join(projectRoot, 'docker', 'compose.yaml'), 'utf8');
    const run = new Set(
      [...compose.matchAll(/^ {4}command: \[(\w+)[\],]/gm)].map(([, app = '']) => app).filter((app) => app !== 'postgres'),
    );
    // The operator's command line is in the image too, and runs when it is called.
    expect([...run, 'cli'].sort()).toEqual(apps);
    for (const app of apps) expect(existsSync(join(image, 'dist', 'apps', app, 'src', 'main.js'))).toBe(true);
  });

  it('runs the app that its command names, and says which there are when it does not know one', async () => {
    const run = (...args: string[]) =>
      runCommand(join(image, 'docker', 'run'), args, { timeoutMs: 30_000, cwd: image, env: { PATH: process.env['PATH'] } });
    expect(await run('nothing')).toMatchObject({ code: 64, stderr: expect.stringContaining(`apps: ${apps.join(' ')}`) });
    // Without any setting each app gets as far as its configuration.
    const commands = [...apps.filter((app) => app !== 'cli').map((app) => [app]), ['ops', 'migrate']];
    const refused = { code: 78, stderr: expect.stringContaining('DATABASE_URL: is not set') };
    expect(await Promise.all(commands.map((args) => run(...args)))).toMatchObject(commands.map(() => refused));
    expect(await run('cli', 'queues')).toMatchObject({ code: 1, stderr: expect.stringContaining('Parley is not running') });
  });
});
