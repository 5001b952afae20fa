import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isSeq, parseDocument } from 'yaml';
import { runCommand, runOrThrow } from '#lib/devstack/process/commands';
import { Explained } from '#lib/devstack/terminal/explain';
import { imagePackages, type Lock } from '../image/inspect.js';
import { isLater, nextVersion, released, unreleasedOf } from './changelog.js';

const WITHIN_MS = 60_000;
/** Half a megabyte today. */
const SBOM_CHARS = 20_000_000;

/** Everything that a release is, before any of it is done. */
export interface ReleasePlan {
  readonly version: string;
  readonly previous: string;
  /** The git tag. */
  readonly tag: string;
  /** Name and tag of the container image. */
  readonly image: string;
  /** The section of CHANGELOG.md; the message of the tag too. */
  readonly notes: string;
  /** The new content of each file that names the version, by its path in the checkout. */
  readonly edits: ReadonlyMap<string, string>;
  /** CycloneDX 1.5, JSON: what the image holds of other makers. */
  readonly sbom: string;
  /** How many packages the SBOM names. */
  readonly packages: number;
  /** What keeps it from being released, each with what to do. */
  readonly problems: readonly string[];
}

/**
 * Plans the release of the checkout at `root` and writes nothing. @param version x.y.z; undefined: what the changelog asks for.
 * @throws Explained for a version or a changelog that cannot be read.
 */
export async function planRelease(
  root: string,
  { version: asked, date }: { version?: string | undefined; date: string },
): Promise<ReleasePlan> {
  const { version: previous } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
  const notes = unreleasedOf(changelog);
  const version = asked ?? nextVersion(previous, notes);
  const tag = `v${version}`;
  const sbom = await sbomOf(root, previous, version);
  return {
    version,
    previous,
    tag,
    image: `parley:${version}`,
    notes,
    edits: new Map([['CHANGELOG.md', released(changelog, version, date)], ...packageEdits(root, version), ...chartEdits(root, version)]),
    sbom: `${JSON.stringify(sbom, undefined, 2)}\n`,
    packages: sbom.components.length,
    problems: [
      ...(isLater(version, previous) ? [] : [`${version} is not later than ${previous}, the version in package.json: name a later one`]),
      ...(notes === '' ? ['CHANGELOG.md says nothing below "Unreleased": write what changed for those who upgrade'] : []),
      ...(await repositoryProblems(root, tag)),
    ],
  };
}

async function repositoryProblems(root: string, tag: string): Promise<string[]> {
  const [changed, tags] = await Promise.all([git(root, 'status', '--porcelain'), git(root, 'tag', '--list', tag)]);
  const files = changed.split('\n').filter((line) => line !== '');
  const shown = files.slice(0, 5).map((line) => line.slice(3));
  return [
    ...(files.length === 0
      ? []
      : [`the tree is not clean (${files.length} files: ${shown.join(', ')}${files.length > 5 ? ', ...' : ''}): commit or stash them`]),
    ...(tags === '' ? [] : [`the tag ${tag} exists already: name another version, or remove it with \`git tag --delete ${tag}\``]),
  ];
}

async function git(root: string, ...args: string[]): Promise<string> {
  const { stdout } = await runOrThrow('git', args, { timeoutMs: WITHIN_MS, cwd: root });
  return stdout.trimEnd();
}

/** npm writes both files exactly so. */
function packageEdits(root: string, version: string): [string, string][] {
  const files = ['package.json', 'package-lock.json'];
  return files.map((file) => {
    const content = JSON.parse(readFileSync(join(root, file), 'utf8')) as {
      version: string;
      packages?: Record<string, { version: string }>;
    };
    content.version = version;
    const own = content.packages?.[''];
    if (own !== undefined) own.version = version;
    return [file, `${JSON.stringify(content, undefined, 2)}\n`];
  });
}

/** Charts have the version of what they deploy, and depend on each other by it. */
function chartEdits(root: string, version: string): [string, string][] {
  const folder = join(root, 'helm');
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder)
    .map((name) => join('helm', name, 'Chart.yaml'))
    .filter((file) => existsSync(join(root, file)));
  return files.sort().map((file) => {
    const chart = parseDocument(readFileSync(join(root, file), 'utf8'));
    chart.set('version', version);
    if (chart.has('appVersion')) chart.set('appVersion', version);
    const dependencies = chart.get('dependencies');
    for (const each of isSeq(dependencies) ? dependencies.items : []) {
      if (isMap(each) && String(each.get('repository')).startsWith('file:')) each.set('version', version);
    }
    return [file, chart.toString({ lineWidth: 0 })];
  });
}

interface Sbom {
  readonly metadata: { readonly component: object };
  readonly components: readonly { readonly 'bom-ref': string }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

/**
 * Of what the image installs: no packages of developers, and of the optional ones Postgres. `npm sbom --omit dev` is not asked: it also leaves out
 * what a package of developers has as its peer, such as pg and @nestjs/core.
 */
async function sbomOf(root: string, previous: string, version: string): Promise<Sbom> {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  const { code, stdout, stderr } = await runCommand('npm', args, { timeoutMs: WITHIN_MS, cwd: root, keptChars: SBOM_CHARS });
  if (code !== 0) throw new Explained(`npm could not make the SBOM: ${stderr.trim().slice(-1_000)}`);
  const all = JSON.parse(stdout.replaceAll(`parley@${previous}"`, `parley@${version}"`)) as Sbom;
  const kept = installedInProduction(root);
  const isKept = (ref: string) => kept.has(ref) || ref === `parley@${version}`;
  const dependencies = all.dependencies
    .filter(({ ref }) => isKept(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter(isKept) }));
  // npm calls it after the folder of the checkout.
  Object.assign(all.metadata.component, { name: 'parley', version });
  return { ...all, components: all.components.filter((each) => isKept(each['bom-ref'])), dependencies };
}

/** As `name@version`. */
function installedInProduction(root: string): Set<string> {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
  return new Set(
    imagePackages(lock).map(
      (path) => `${lock.packages[path]?.name ?? path.replace(/^.*node_modules\//, '')}@${lock.packages[path]?.version}`,
    ),
  );
}
