import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from '../process/commands.js';
import { dropLock, takeLock } from '../process/lock-file.js';
import { fetchTool } from './fetch-tool.js';
import { type Tool, type ToolName, toolTable } from './tool-table.js';

/** The program of a tool, or in one sentence why there is none: tests are then skipped with it. */
export type FoundTool = { readonly path: string } | { readonly missing: string };

/** What {@link findTool} needs of its surroundings; tests bring their own. */
export interface ToolSurroundings {
  readonly cacheFolder: string;
  readonly onPath: (name: string) => string | undefined;
  /** Puts the program into this folder under its own name. @throws when it cannot be had. */
  readonly fetch: (name: string, tool: Tool, folder: string, timeoutMs: number) => Promise<void>;
  /** One line for the person who waits. */
  readonly progress: (line: string) => void;
  readonly timeoutMs: number;
}

/** Nine minutes: compiling the largest tool on two busy cores; the hooks of the tests get ten. */
const WITHIN_MS = 540_000;
/** Another test file that asks again so soon after a failure gets the same answer. */
const FAILURE_COUNTS_MS = 600_000;
const TICK_MS = 5_000;

/** The user's cache: `$XDG_CACHE_HOME/parley/tools`, else `~/.cache/parley/tools`. */
const cacheFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  join(env['XDG_CACHE_HOME']?.trim() || join(homedir(), '.cache'), 'parley', 'tools');

const thisMachine: ToolSurroundings = {
  cacheFolder: cacheFolder(),
  onPath: findProgram,
  fetch: fetchTool,
  progress: (line) => process.stderr.write(`  ${line}\n`),
  timeoutMs: WITHIN_MS,
};

/**
 * Finds a tool on the PATH, else in the cache of the user, else fetches it into that cache, one process at a time.
 * Never throws for a tool that cannot be had, and installs nothing into the system.
 *
 *     const helm = await findTool('helm');
 *     describe.skipIf('missing' in helm)(...)
 */
export const findTool = (name: ToolName): Promise<FoundTool> => findToolIn(name, toolTable[name], thisMachine);

/** {@link findTool} with its surroundings. Exported for its test. */
export async function findToolIn(name: string, tool: Tool, around: ToolSurroundings): Promise<FoundTool> {
  const installed = around.onPath(name);
  if (installed !== undefined) return { path: installed };
  const folder = join(around.cacheFolder, `${name}-${tool.version}`);
  const path = join(folder, name);
  if (await exists(path)) return { path };
  try {
    await mkdir(around.cacheFolder, { recursive: true });
    return await fetchOnce(name, tool, folder, around);
  } catch (error) {
    return { missing: sentence(name, error) };
  }
}

async function fetchOnce(name: string, tool: Tool, folder: string, around: ToolSurroundings): Promise<FoundTool> {
  const path = join(folder, name);
  const lock = `${folder}.lock`;
  const failure = `${folder}.missing`;
  const endsAt = performance.now() + around.timeoutMs;
  while (!(await takeLock(lock))) {
    if (performance.now() > endsAt) return { missing: `${name}: another process holds ${lock}` };
    await sleep(200);
  }
  try {
    if (await exists(path)) return { path };
    const known = await recently(failure);
    if (known !== undefined) return { missing: known };
    await fetchInto(name, tool, folder, { ...around, timeoutMs: endsAt - performance.now() });
    return { path };
  } catch (error) {
    const missing = sentence(name, error);
    await writeFile(failure, missing);
    return { missing };
  } finally {
    await dropLock(lock);
  }
}

/** Fetches beside the final folder and renames: what is there under its name is whole. */
async function fetchInto(name: string, tool: Tool, folder: string, around: ToolSurroundings): Promise<void> {
  const draft = await mkdtemp(`${folder}.`);
  const began = performance.now();
  around.progress(`fetching ${name} ${tool.version} ...`);
  const ticker = setInterval(
    () => around.progress(`fetching ${name} ${tool.version} ... ${Math.round((performance.now() - began) / 1_000)} s`),
    TICK_MS,
  );
  try {
    await around.fetch(name, tool, draft, around.timeoutMs);
    if (!(await exists(join(draft, name)))) throw new Error('what was fetched does not hold the program');
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
  } finally {
    clearInterval(ticker);
    await rm(draft, { recursive: true, force: true });
  }
}

/** The reason of a failure that is not old enough to try again. */
async function recently(file: string): Promise<string | undefined> {
  const facts = await stat(file).catch(() => undefined);
  return facts !== undefined && Date.now() - facts.mtimeMs < FAILURE_COUNTS_MS ? readFile(file, 'utf8') : undefined;
}

/** One line: the end of what the client of the registry said, which names what it lacked. */
function sentence(name: string, error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  const lines = said.split('\n').map((line) => line.trim());
  return `${name} cannot be had: ${lines.filter(Boolean).at(-1) ?? 'for no reason given'}`.slice(0, 300);
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
