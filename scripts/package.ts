import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { runOrThrow } from '#lib/devstack/process/commands';
import { explainAndExit } from '#lib/devstack/terminal/explain';
import { stagePackage } from './package/stage.js';

const PACK_WITHIN_MS = 120_000;

await new Command('package')
  .description('Makes parley-<version>.tgz: the embedded mode and the command line for a machine with Node and npm alone.')
  .option('--to <folder>', 'where to put it', '.')
  .action(({ to }: { to: string }) => pack(to))
  .parseAsync()
  .catch(explainAndExit);

async function pack(to: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-package-'));
  try {
    await stagePackage(folder);
    const { stdout } = await runOrThrow('npm', ['pack', '--silent', '--pack-destination', to, folder], { timeoutMs: PACK_WITHIN_MS });
    const path = join(to, stdout.trim());
    console.log(`${path}: ${(statSync(path).size / 1e6).toFixed(1)} MB`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
