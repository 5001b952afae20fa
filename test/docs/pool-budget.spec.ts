import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { budgetedProcesses, poolBudget } from '#lib/database/pool-budget';
import { processes } from '#lib/devstack/services';
import { settings } from '#lib/runtime/config/config';

const defaultOf = (name: 'DB_POOL_BUDGET_PROCESSES' | 'DB_POOL_BUDGET_GATEWAYS' | 'WEB_CONCURRENCY' | 'DB_POOL_SIZE'): number =>
  settings[name].schema.parse(undefined);

it('the connection budget counts one process of each app and two more by default, and fits into the Postgres of docker/compose.yaml', () => {
  const counted = budgetedProcesses({
    DB_POOL_BUDGET_PROCESSES: defaultOf('DB_POOL_BUDGET_PROCESSES'),
    DB_POOL_BUDGET_GATEWAYS: defaultOf('DB_POOL_BUDGET_GATEWAYS'),
    WEB_CONCURRENCY: defaultOf('WEB_CONCURRENCY'),
  });
  expect(counted).toBe(new Set(processes.services.map(({ app }) => app)).size + 2);
  const [, maxConnections] = /max_connections=(\d+)/.exec(readFileSync('docker/compose.yaml', 'utf8')) ?? [];
  const limits = { maxConnections: Number(maxConnections), superuserReserved: 3, processes: counted, poolSize: defaultOf('DB_POOL_SIZE') };
  expect(poolBudget(limits)).toMatchObject({ fits: true });
});
