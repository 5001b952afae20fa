import { describe, expect, it } from 'vitest';
import { parseConfig } from '#lib/runtime/config/config';
import { budgetedProcesses, laneNames, MIN_STANDALONE_POOL, poolBudget, poolShares } from './pool-budget.js';

const required = { DATABASE_URL: 'postgres://localhost/p', RABBITMQ_URL: 'amqp://localhost', CHROMA_URL: 'http://localhost' };

describe('the shares of a pool', () => {
  it.each(['gateway', 'realtime', 'embedding', 'ops'])('of %s add up to the pool, with at least one connection in each lane', (app) => {
    for (let size = 6; size <= 200; size += 1) {
      const shares = Object.values(poolShares(size, app));
      expect(shares.reduce((one, other) => one + other, 0)).toBe(size);
      expect(Math.min(...shares)).toBeGreaterThanOrEqual(1);
    }
  });

  it('of the process that is all apps add up too, with every lane and a second connection for sends', () => {
    for (let size = MIN_STANDALONE_POOL; size <= 200; size += 1) {
      const shares = poolShares(size, 'standalone');
      expect(Object.keys(shares).toSorted()).toEqual(laneNames.toSorted());
      expect(Object.values(shares).reduce((one, other) => one + other, 0)).toBe(size);
      expect(Math.min(...Object.values(shares))).toBeGreaterThanOrEqual(1);
      expect(shares.sends).toBeGreaterThanOrEqual(2);
    }
  });

  it('leave a second connection for sends, so that one conversation that is held does not fail its neighbours', () => {
    for (let size = 6; size <= 200; size += 1) expect(poolShares(size, 'gateway').sends).toBeGreaterThanOrEqual(2);
    expect(() => parseConfig({ ...required, DB_POOL_SIZE: '5' })).toThrow('DB_POOL_SIZE');
    expect(parseConfig({ ...required, DB_POOL_SIZE: '6' }).DB_POOL_SIZE).toBe(6);
  });

  it('are what docs say for the default pool', () => {
    expect(poolShares(10, 'gateway')).toEqual({ sends: 3, reads: 3, edits: 1, relay: 2, health: 1 });
    expect(poolShares(10, 'realtime')).toEqual({ sends: 3, reads: 4, relay: 2, health: 1 });
    expect(poolShares(10, 'embedding')).toEqual({ work: 7, relay: 2, health: 1 });
  });
});

describe('the connection budget', () => {
  const postgres = { maxConnections: 100, superuserReserved: 3 };

  // Ruling C6: the source document multiplies 3 pods x 25 and forgets the 4 workers of each.
  it('counts every process of every pod', () => {
    const budget = poolBudget({ ...postgres, processes: 3 * 4, poolSize: 25 });
    expect(budget).toMatchObject({ fits: false, needed: 303, available: 97 });
    expect(budget.explanation).toContain('12 processes x 25 connections + 3 for maintenance = 303 > max_connections 100 - 3 reserved = 97');
  });

  it('counts the workers of each gateway pod', () => {
    const processes = budgetedProcesses({ DB_POOL_BUDGET_PROCESSES: 8, DB_POOL_BUDGET_GATEWAYS: 2, WEB_CONCURRENCY: 4 });
    expect(processes).toBe(6 + 2 * 4);
    expect(budgetedProcesses({ DB_POOL_BUDGET_PROCESSES: 8, DB_POOL_BUDGET_GATEWAYS: 2, WEB_CONCURRENCY: 1 })).toBe(8);
  });

  it('leaves the reserve of the superuser alone', () => {
    expect(poolBudget({ ...postgres, processes: 4, poolSize: 25 })).toMatchObject({ fits: false });
    expect(poolBudget({ ...postgres, processes: 8, poolSize: 10 })).toMatchObject({ fits: true, needed: 83 });
  });
});
