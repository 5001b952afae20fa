import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { findProgram, runCommand, runOrThrow } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { Explained, explainAndExit } from '#lib/devstack/terminal/explain';
import { inspectImage, type Lock } from './image/inspect.js';

/** Two installations and a compilation, on a slow network and two busy cores. */
const BUILD_WITHIN_MS = 1_200_000;
const ASK_WITHIN_MS = 120_000;

await new Command('image')
  .description(
    'Builds the container image parley:<version> with Docker or, where no engine answers, buildah, and looks through what is in it.',
  )
  .argument(
    '[builder arguments...]',
    'for `docker build` or `buildah build`, after a second --, such as: npm run image -- -- --isolation chroot',
  )
  .action(build)
  .parseAsync()
  .catch(explainAndExit);

async function build(builderArguments: readonly string[]): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { version: string };
  const tag = `parley:${version}`;
  const program = await builder();
  const { stdout: commit } = await runOrThrow('git', ['rev-parse', 'HEAD'], { timeoutMs: ASK_WITHIN_MS, cwd: projectRoot });
  const labels = [`org.opencontainers.image.version=${version}`, `org.opencontainers.image.revision=${commit.trim()}`];
  console.log(`building ${tag} with ${program} ...`);
  await runOrThrow(
    program,
    [
      'build',
      // Otherwise buildah drops the health check.
      ...(program === 'buildah' ? ['--format', 'docker'] : []),
      ...labels.flatMap((label) => ['--label', label]),
      '--file',
      'docker/Dockerfile',
      '--tag',
      tag,
      ...builderArguments,
      '.',
    ],
    { timeoutMs: BUILD_WITHIN_MS, cwd: projectRoot, onOutput: (chunk) => process.stdout.write(chunk) },
  );
  await examine(program, tag, builderArguments);
}

async function builder(): Promise<'docker' | 'buildah'> {
  const docker = findProgram('docker');
  const answers = docker !== undefined && (await runCommand(docker, ['version'], { timeoutMs: 10_000 }).catch(() => undefined))?.code === 0;
  if (answers) return 'docker';
  if (findProgram('buildah') !== undefined) return 'buildah';
  throw new Explained(
    'there is neither a Docker engine that answers nor buildah: install one of them (on Debian: apt-get install buildah)',
  );
}

async function examine(program: 'docker' | 'buildah', tag: string, builderArguments: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-image-'));
  try {
    const unpack = `${program === 'docker' ? `docker run --rm --entrypoint tar ${tag}` : `c=$(buildah from ${tag}) && trap 'buildah rm "$c" > /dev/null' EXIT && buildah run "$@" "$c" -- tar`} -C / -cf - app | tar -C "$0" -xf -`;
    await runOrThrow('/bin/sh', ['-c', unpack, folder, ...builderArguments], { timeoutMs: ASK_WITHIN_MS });
    const lock = JSON.parse(readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')) as Lock;
    const { bytes, files, findings } = inspectImage(join(folder, 'app'), lock);
    if (files === 0) throw new Explained('the image has no files in /app');
    if (findings.length > 0) throw new Explained(`the image holds what it must not:\n${findings.join('\n')}`);
    const { stdout } = await runOrThrow(program, ['images', '--format', '{{.Size}}', tag], { timeoutMs: ASK_WITHIN_MS });
    console.log(`${tag}: ${stdout.trim()}, of it ${Math.round(bytes / 1e6)} MB in ${files} files of Parley and its packages`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
