import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { ScalingReport } from '#lib/contracts/scaling';
import { runCommand } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { builtProgram } from '#lib/testing/built-program';
import { eventually } from '#lib/testing/eventually';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { SendJournal, SteadyLoad } from '#lib/testing/send-journal';

const SERVICES = ['gateway', 'realtime', 'embedding', 'delivery', 'scoring', 'ops'];

let parley: RunningParley;
let home: string; // empty: what a developer runs beside the tests must not be found
let operator: ParleyClient;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'parley-home-'));
  // The shortest window that there is: two of them are watched.
  parley = await startParley({ stack: inject('stack'), env: { ADVICE_WINDOW_MS: '10000' } });
  operator = await parley.client('olga', ['admin']);
});
afterAll(async () => {
  await parley?.stop();
  await rm(home, { recursive: true, force: true });
});

const ask = () => operator.request('GET', '/v1/admin/scaling-advice');
const report = async (): Promise<ScalingReport> => ScalingReport.parse((await ask()).body);
const of = ({ items }: ScalingReport, service: string) => items.find((each) => each.service === service);

it('the advisor refuses before it has seen two windows, then judges a gateway under load by its own numbers', async () => {
  const first = await eventually(report);
  expect(first.items.map(({ service }) => service)).toEqual(SERVICES);
  expect(of(first, 'gateway')).toMatchObject({ action: 'none', rule: 0, reason: expect.stringMatching(/^No advice: /) });

  const alice = await parley.client('alice');
  const { id } = await alice.createConversation({ memberIds: [] });
  const load = new SteadyLoad({ journal: new SendJournal(), clients: [alice], conversationIds: [id], pauseMs: 20 });
  const advised = await eventually(
    async () => {
      const now = await report();
      for (const service of SERVICES) expect(of(now, service)?.reason).not.toContain('No advice');
      expect(Date.now() - Date.parse(now.at)).toBeLessThan(10_000);
      return now;
    },
    { what: 'two windows of every process', timeoutMs: 60_000 },
  );
  await load.stop();

  expect(advised).toMatchObject({ missing: [], seesOnlyItself: false });
  for (const { now, connections } of advised.items) {
    expect(now).toMatchObject({ pods: 1, workers: 1, poolSize: 10 });
    expect(connections?.now).toBe(6 * 10);
    expect(connections?.budget).toBeGreaterThan(70);
  }
  // One process of each, and a machine that others use too: a second pod, unless something holds that back.
  expect(of(advised, 'gateway')?.to.pods).toBeLessThanOrEqual(4);
  expect(of(advised, 'gateway')?.checks.join()).toMatch(/No (CPU|memory) limit is set|^$/);
});

it('a process that has stopped is named as missing, by the command too', async () => {
  await parley.scoring.stop();

  const { missing } = await eventually(
    async () => {
      const now = await report();
      // A round in the middle of its stop has another code.
      expect(now.missing).toMatchObject([{ service: 'scoring', code: 'ECONNREFUSED' }]);
      return now;
    },
    { what: 'a round without it', timeoutMs: 20_000 },
  );
  expect(missing[0]?.target).toBe(`${parley.scoring.url}/metrics`);
  expect(of(await report(), 'scoring')?.reason).toContain('the metrics of any scoring process are not known');

  const { code, stdout } = await runCommand(process.execPath, [builtProgram('parley'), 'advise', '--url', parley.url], {
    timeoutMs: 20_000,
    cwd: projectRoot,
    env: { ...parley.environment, PARLEY_HOME: home, COLUMNS: '80' },
  });
  expect(code).toBe(0);
  expect(stdout).toContain('missing: scoring at');
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

it('without ops there is no advice, and the problem says so', async () => {
  await parley.ops.stop();

  await eventually(async () => {
    const { status, body } = await ask();
    expect({ status, body }).toMatchObject({
      status: 503,
      body: { code: 'dependency-unavailable', detail: expect.stringContaining('ops') },
    });
  });
});
