import { describe, expect, it } from 'vitest';
import { measured, storedBytes } from './measured.js';
import { limits, planFor } from './plan.js';

describe('A capacity plan', () => {
  it('is derived from figures that the published run has', () => {
    expect(Object.entries(measured).filter(([, value]) => Number.isNaN(value))).toEqual([]);
    expect(storedBytes).toBeGreaterThan(500);
    expect(measured.gatewayFullBatches).toBeCloseTo(200.8, 1);
    expect(measured.bytesPerSocket).toBe(8_415);
  });

  it('of 1,000 users is the least of everything', () => {
    expect(planFor(1_000)).toMatchObject({
      messagesPerDay: 20_000,
      sockets: 100,
      gatewayPods: 2,
      realtime: 2,
      delivery: 2,
      embedding: 2,
      scoring: 2,
    });
    expect(planFor(1_000).messages).toBeCloseTo(0.556, 3);
  });

  it('of 10,000,000 users is the arithmetic of the busiest hour', () => {
    const plan = planFor(10_000_000);
    expect(plan.messages).toBeCloseTo(5_555.6, 1);
    expect(plan.realtime).toBe(50);
    // 5,555.6 x 490 / 500 ms and 277.8 x 17 ms, half of a second each.
    expect(plan.gatewayWorkers).toBe(Math.ceil((5_555.56 * 0.98 + 277.78 * 17) / 500));
    expect(plan.postgresCores).toBeCloseTo((5_555.56 * 0.58 + 277.78 * 15) / 600, 1);
    expect(plan.modelCallsPerMinute).toBeCloseTo(16_667, 0);
    expect(plan.messagesPerMonth).toBe(6e9);
    expect(plan.maxConnections).toBe(Math.ceil(plan.connections / 0.8) + 10);
  });

  it('says what one process carries', () => {
    expect(limits.sendsFew).toBeCloseTo(510, 0);
    expect(limits.sendsMany).toBeCloseTo(2_490, -1);
    expect(limits.resumeSeconds).toBe(60);
    expect(limits.socketsIn(1e9)).toBeGreaterThan(50_000);
  });
});
