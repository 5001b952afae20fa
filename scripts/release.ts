import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import pc from 'picocolors';
import { projectRoot } from '#lib/devstack/project-root';
import { Explained, explainAndExit } from '#lib/devstack/terminal/explain';
import { carryOut } from './release/carry-out.js';
import { planRelease, type ReleasePlan } from './release/plan.js';

interface Options {
  readonly dryRun?: boolean;
  readonly version?: string;
  readonly out?: string;
}

await new Command('release')
  .description('Makes the commit and the tag of a release in this checkout, and its SBOM; pushes nothing.')
  .option('--dry-run', 'say what a release would be, and change nothing in the checkout')
  .option('--version <x.y.z>', 'default: what the unreleased section of CHANGELOG.md asks for')
  .option('--out <folder>', 'write sbom.cdx.json and notes.md there; default: dist/release, and with --dry-run nowhere')
  .action(async ({ dryRun = false, version, out }: Options) => {
    const plan = await planRelease(projectRoot, { version, date: new Date().toISOString().slice(0, 10) });
    show(plan);
    const folder = out ?? (dryRun ? undefined : join(projectRoot, 'dist', 'release'));
    if (folder !== undefined) write(resolve(folder), plan);
    if (plan.problems.length > 0) throw new Explained(`this cannot be released:\n${plan.problems.map((each) => `- ${each}`).join('\n')}`);
    if (dryRun) return console.log(pc.green('nothing was changed (--dry-run)'));
    await carryOut(projectRoot, plan);
    console.log(pc.green(`committed and tagged ${plan.tag}`));
    console.log(`next: npm run image; git push --follow-tags`);
  })
  .parseAsync()
  .catch(explainAndExit);

function show({ version, previous, tag, image, notes, edits, packages }: ReleasePlan): void {
  console.log(`${pc.bold(`Parley ${version}`)} (before: ${previous})`);
  console.log(`tag     ${tag}\nimage   ${image}\nSBOM    CycloneDX 1.5, ${packages} packages\nchanges ${[...edits.keys()].join(', ')}`);
  console.log(`\n${notes}\n`);
}

function write(folder: string, { sbom, version, notes }: ReleasePlan): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'sbom.cdx.json'), sbom);
  writeFileSync(join(folder, 'notes.md'), `# Parley ${version}\n\n${notes}\n`);
  console.log(`written: ${join(folder, 'sbom.cdx.json')}, ${join(folder, 'notes.md')}`);
}
