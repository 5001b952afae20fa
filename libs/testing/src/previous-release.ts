import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, runCommand, runOrThrow } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';

/**
 * The release before this one, whose processes must work on the schema of this one: a tag or a commit. Until there is a tag: "Live" without
 * "Scores" (CHANGELOG.md), twelve migrations ago.
 */
export const PREVIOUS_RELEASE = '8bfb514';

const ASK_WITHIN_MS = 20_000;
const BUILD_WITHIN_MS = 120_000;

/** Why the previous release cannot be built here; undefined when it can. */
export async function whyNoPreviousRelease(): Promise<string | undefined> {
  if (findProgram('git') === undefined || findProgram('tar') === undefined) return 'this machine lacks git or tar';
  const found = await runCommand('git', ['cat-file', '-e', `${PREVIOUS_RELEASE}^{commit}`], { timeoutMs: ASK_WITHIN_MS, cwd: projectRoot });
  if (found.code !== 0) return `this clone does not have the commit ${PREVIOUS_RELEASE}: git fetch --unshallow`;
  const { stdout } = await git('show', `${PREVIOUS_RELEASE}:package.json`);
  const [theirs, ours] = [JSON.parse(stdout) as Manifest, JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as Manifest];
  const other = Object.entries(theirs.dependencies).find(([name, version]) => ours.dependencies[name] !== version);
  return other === undefined ? undefined : `the packages of this checkout do not fit: ${PREVIOUS_RELEASE} has ${other.join(' ')}`;
}

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
}

/** The files in a folder of the previous release, by name. */
export async function filesOfPreviousRelease(folder: string): Promise<string[]> {
  const { stdout } = await git('ls-tree', '--name-only', PREVIOUS_RELEASE, `${folder}/`);
  return stdout.trim().split('\n');
}

/** Unpacks and compiles the previous release into a new folder, with the packages of this checkout. @returns the names of its apps. */
export async function buildPreviousRelease(folder: string): Promise<string[]> {
  mkdirSync(folder);
  const unpack = 'git archive "$0" | tar -x -C "$1"';
  await runOrThrow('/bin/sh', ['-euc', unpack, PREVIOUS_RELEASE, folder], { timeoutMs: ASK_WITHIN_MS, cwd: projectRoot });
  symlinkSync(join(projectRoot, 'node_modules'), join(folder, 'node_modules'));
  const settings = { extends: './tsconfig.build.json', compilerOptions: { sourceMap: false }, include: ['apps', 'libs'] };
  writeFileSync(join(folder, 'tsconfig.previous.json'), JSON.stringify(settings));
  const compile = [join(projectRoot, 'node_modules', 'typescript7', 'bin', 'tsc'), '-p', 'tsconfig.previous.json'];
  await runOrThrow(process.execPath, compile, { timeoutMs: BUILD_WITHIN_MS, cwd: folder });
  return readdirSync(join(folder, 'apps')).filter((app) => existsSync(join(folder, 'dist', 'apps', app, 'src', 'main.js')));
}

function git(...args: string[]): Promise<{ readonly stdout: string }> {
  return runOrThrow('git', args, { timeoutMs: ASK_WITHIN_MS, cwd: projectRoot });
}
