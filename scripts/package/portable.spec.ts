import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { commandFor } from '#lib/devstack/installation';
import { reachableFolder, unprivilegedUser } from '#lib/devstack/process/unprivileged-user';
import { projectRoot } from '#lib/devstack/project-root';

/** What is loaded by `parley start`, `stop` and the operator's verbs, and by the process that they start; not what only runs beside four servers. */
const ENTRIES = ['apps/cli/src/main.ts', 'apps/standalone/src/main.ts', 'libs/devstack/src/embedded/standalone-child.ts'];

const NOT_EVERYWHERE: Readonly<Record<string, RegExp>> = {
  'a shell': /['"`]\/bin\/|\bshell:\s*true|['"](?:ba)?sh['"],|\bexec(?:Sync)?\(\s*['"`]/,
  '/proc': /['"`]\/proc\b/,
  'a signal to a process group': /\bkill\(\s*-|\bsignal\(\s*-/,
  'a path of POSIX systems': /['"`]\/(?:var|usr|etc|tmp|dev|opt|home)\b/,
  'a program of POSIX systems':
    /\b(?:spawn|execFile|runCommand|runOrThrow|execFileSync|spawnSync)\(\s*['"`](?:ps|lsof|id|tar|cp|rm|which|kill)['"`]/,
};
/** Where what is not everywhere is behind a question that other systems answer with no. */
const ASKED_FIRST: Readonly<Record<string, string>> = {
  'libs/devstack/src/process/unprivileged-user.ts': 'only root, which Windows does not have: see the test below',
  'libs/devstack/src/home/home-owner.ts': 'only where process.getuid exists, and a failure is caught',
  'libs/devstack/src/process/commands.ts':
    'folders that a PATH may lack: one that is not there has no program, and the embedded mode looks for none',
};

it('what the embedded mode runs needs no shell, no /proc, no process groups and no POSIX path', () => {
  const files = staticallyReachable(ENTRIES);
  expect(files.length).toBeGreaterThan(400);
  const found = files
    .filter((file) => ASKED_FIRST[file] === undefined)
    .flatMap((file) => {
      const code = withoutComments(readFileSync(join(projectRoot, file), 'utf8'));
      return Object.entries(NOT_EVERYWHERE).flatMap(([what, pattern]) =>
        pattern.test(code) ? [`${file}: ${what}, ${pattern.exec(code)?.[0]}`] : [],
      );
    });
  expect(found).toEqual([]);
});

it('each exception is still one: reached, and in need of being one', () => {
  const files = staticallyReachable(ENTRIES);
  for (const file of Object.keys(ASKED_FIRST)) {
    expect(files).toContain(file);
    const code = withoutComments(readFileSync(join(projectRoot, file), 'utf8'));
    expect({ file, isOne: Object.values(NOT_EVERYWHERE).some((pattern) => pattern.test(code)) }).toEqual({ file, isOne: true });
  }
});

it('finds what it looks for', () => {
  const examples = [
    "spawn('/bin/sh', ['-c'",
    "readFileSync('/proc/1/stat')",
    'process.kill(-pid, signal)',
    "join('/var/lib', name)",
    "execFileSync('ps', [",
  ];
  for (const [i, pattern] of Object.values(NOT_EVERYWHERE).entries()) expect(examples[i]).toMatch(pattern);
});

it('a system without users has none to run Postgres as, and its data where it was wanted', async () => {
  vi.stubGlobal('process', { ...process, getuid: undefined });
  try {
    expect(await unprivilegedUser()).toBeUndefined();
    expect(reachableFolder('C:\\parley', undefined)).toBe('C:\\parley');
  } finally {
    vi.unstubAllGlobals();
  }
});

it('says in the checkout how the checkout is started', () => {
  expect(commandFor('start')).toBe('npm start');
  expect(commandFor('stop')).toBe('npm run stop');
});

/** Sources by the imports that run when a file is loaded; a unit test has no build to follow. */
function staticallyReachable(entries: readonly string[]): string[] {
  const files = new Set<string>();
  const waiting = [...entries];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    const text = readFileSync(join(projectRoot, file), 'utf8');
    for (const [, names = '', from] of text.matchAll(/^(?:import|export)\s([^;']*?)from\s*'([^'\s]+)'/gm)) {
      if (!names.trimStart().startsWith('type ') && from !== undefined) waiting.push(...sourceOf(from, file));
    }
    for (const [, from = ''] of text.matchAll(/^import\s*'([^'\s]+)'/gm)) waiting.push(...sourceOf(from, file));
  }
  return [...files].sort();
}

function sourceOf(name: string, importer: string): string[] {
  const [, lib, path] = /^#lib\/([^/]+)\/(.+)$/.exec(name) ?? [];
  if (lib !== undefined) return [`libs/${lib}/src/${path}.ts`];
  if (name.startsWith('#client/')) return [`clients/typescript/src/${name.slice('#client/'.length)}.ts`];
  return name.startsWith('.') ? [join(dirname(importer), name).replace(/\.js$/, '.ts')] : [];
}

function withoutComments(code: string): string {
  return code.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}

it('the file that npx runs imports nothing but Node', () => {
  const text = readFileSync(join(projectRoot, 'scripts', 'cli.mjs'), 'utf8');
  const imported = [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name);
  expect(imported.every((name) => name?.startsWith('node:'))).toBe(true);
  for (const pattern of Object.values(NOT_EVERYWHERE)) expect(withoutComments(text)).not.toMatch(pattern);
});
