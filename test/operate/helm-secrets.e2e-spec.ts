import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findTool } from '#lib/devstack/tools/find-tool';
import { Charts } from './helm/charts.js';
import { StubCluster } from './helm/stub-cluster.js';

const helm = await findTool('helm');
const { items } = JSON.parse(execFileSync(process.execPath, ['helm/make-secrets.mjs'], { encoding: 'utf8' })) as {
  items: { metadata: { name: string }; stringData: Record<string, string> }[];
};

describe.skipIf('missing' in helm)(`Secrets in a cluster (${'missing' in helm ? helm.missing : 'helm'})`, () => {
  let charts: Charts;
  let cluster: StubCluster;
  beforeAll(async () => {
    charts = await Charts.built('path' in helm ? helm.path : '');
    cluster = await StubCluster.at(join(charts.folder, 'kubeconfig'));
  });
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
    charts[Symbol.dispose]();
  });
  beforeEach(() => {
    for (const { metadata, stringData } of items) cluster.secrets.set(metadata.name, { ...stringData });
  });

  const render = (scenario: string, values: object = {}) =>
    charts.renderInCluster('parley', scenario, values, join(charts.folder, 'kubeconfig'));

  it('are complete when helm/make-secrets.mjs made them', async () => {
    for (const scenario of ['default', 'kind']) expect(await render(scenario)).toMatchObject({ code: 0, error: '' });
  });

  it('that are missing stop the release before anything is installed, with their name and keys', async () => {
    cluster.secrets.delete('parley-scoring');
    const { code, error } = await render('default');
    expect(code).toBe(1);
    expect(error).toContain('Secret parley-scoring is missing in namespace chat; it needs the keys DATABASE_URL, RABBITMQ_URL, REDIS_URL');
    expect(await render('default', { global: { checkSecrets: false } })).toMatchObject({ code: 0 });
    expect(await render('default', { scoring: { enabled: false }, ops: { metricsOf: [] } })).toMatchObject({ code: 0 });
  });

  it.each([
    ['parley-gateway', 'AUTH_JWT_SECRET'],
    ['parley-migrate', 'DATABASE_URL'],
    ['parley-rabbitmq-users', 'RABBITMQ_PASSWORD_PARLEY_CLI'],
  ])('%s without the key %s stop it too', async (name, key) => {
    const { [key]: _, ...others } = cluster.secrets.get(name) ?? {};
    cluster.secrets.set(name, others);
    const { code, error } = await render('default');
    expect(code).toBe(1);
    expect(error).toContain(`Secret ${name} in namespace chat has no key ${key}`);
  });
});
