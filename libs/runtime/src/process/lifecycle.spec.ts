import { globSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConfigError } from '../config/config.js';
import { createLogger } from '../log/logger.js';
import { Lifecycle, type LifecyclePart, type Listens, type Phase } from './lifecycle.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const lines: { part?: string; message: string }[] = [];
const logger = createLogger('test', 'info', { write: (line) => void lines.push(JSON.parse(line) as { message: string }) });
beforeEach(() => void lines.splice(0));

/** A lifecycle with one part per phase, added in the wrong order, that notes what happens. */
const fourParts = (listens: Listens, replaced: Partial<Record<Phase, Partial<LifecyclePart>>> = {}) => {
  const happened: string[] = [];
  const lifecycle = new Lifecycle(listens, logger);
  for (const phase of ['intake', 'stores', 'background', 'broker'] as const) {
    lifecycle.add({
      name: phase,
      phase,
      start: async () => {
        await Promise.resolve();
        happened.push(`start ${phase}`);
      },
      stop: async () => {
        await Promise.resolve();
        happened.push(`stop ${phase}`);
      },
      ...replaced[phase],
    });
  }
  return { lifecycle, happened };
};

/** As Nest does it: hooks before HTTP is closed, and after. */
const close = async (lifecycle: Lifecycle, happened: string[]) => {
  await lifecycle.beforeApplicationShutdown();
  happened.push('HTTP closes');
  await lifecycle.onApplicationShutdown();
};

describe('a process whose HTTP is for operators', () => {
  it('starts when it listens, not with the bootstrap of Nest', async () => {
    const { lifecycle, happened } = fourParts('first');
    await lifecycle.onApplicationBootstrap();
    expect(happened).toEqual([]);
    await lifecycle.start();
    expect(happened).toEqual(['start stores', 'start broker', 'start background', 'start intake']);
  });

  it('stops backwards and closes HTTP last, so that probes and metrics answer during the drain', async () => {
    const { lifecycle, happened } = fourParts('first');
    await close(lifecycle, happened);
    expect(happened).toEqual(['stop intake', 'stop background', 'stop broker', 'stop stores', 'HTTP closes']);
  });
});

describe('a process whose HTTP is its work', () => {
  it('starts with the bootstrap of Nest, which is before it listens, and once', async () => {
    const { lifecycle, happened } = fourParts('last');
    await lifecycle.onApplicationBootstrap();
    await lifecycle.start();
    expect(happened).toEqual(['start stores', 'start broker', 'start background', 'start intake']);
  });

  it('answers its last request before the background and the connections stop', async () => {
    const { lifecycle, happened } = fourParts('last');
    await close(lifecycle, happened);
    expect(happened).toEqual(['stop intake', 'HTTP closes', 'stop background', 'stop broker', 'stop stores']);
  });
});

describe('a part', () => {
  it('that fails to stop keeps no other from stopping, and is told of', async () => {
    const stop = () => Promise.reject(new Error('channel is gone'));
    const { lifecycle, happened } = fourParts('last', { intake: { stop }, broker: { stop } });
    await close(lifecycle, happened);
    expect(happened).toEqual(['HTTP closes', 'stop background', 'stop stores']);
    expect(lines.map(({ part }) => part)).toEqual(['intake', 'broker']);
    expect(() => lifecycle.assertStopped()).toThrow('did not stop in order: intake, broker');
  });

  it('that throws instead of rejecting is treated alike', async () => {
    const stop = () => {
      throw new Error('broken');
    };
    const { lifecycle, happened } = fourParts('last', { broker: { stop } });
    await close(lifecycle, happened);
    expect(happened).toContain('stop stores');
    expect(() => lifecycle.assertStopped()).toThrow('broker');
  });

  it('that hangs is left behind after its time', async () => {
    const stop = () => new Promise<never>(() => undefined);
    const { lifecycle, happened } = fourParts('last', { background: { stop, stopWithinMs: 500 } });
    const closed = close(lifecycle, happened);
    await vi.advanceTimersByTimeAsync(499);
    expect(happened).not.toContain('stop stores');
    await vi.advanceTimersByTimeAsync(1);
    await closed;
    expect(happened.slice(-2)).toEqual(['stop broker', 'stop stores']);
    expect(() => lifecycle.assertStopped()).toThrow('background');
  });

  it('that can never start keeps the process from starting, and what comes after it too', async () => {
    const start = () => Promise.reject(new ConfigError(['EMBEDDING_MODEL: is required']));
    const { lifecycle, happened } = fourParts('first', { stores: { start } });
    await expect(lifecycle.start()).rejects.toThrow(ConfigError);
    expect(happened).not.toContain('start background');
  });

  it('is waited for: the next phase begins when all parts of this one have begun', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { lifecycle, happened } = fourParts('first', { broker: { start: () => promise } });
    const started = lifecycle.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(happened).toEqual(['start stores']);
    resolve();
    await started;
    expect(happened).toEqual(['start stores', 'start background', 'start intake']);
  });
});

it('the lifecycle stops a transport as intake, with its time', async () => {
  const lifecycle = new Lifecycle('first', logger);
  const close = vi.fn(() => new Promise<never>(() => undefined));
  const strategy = { listen: () => undefined, close };
  lifecycle.addTransport({ name: 'consumers', strategy, filters: [], stopWithinMs: 2_000 });
  const stopped = lifecycle.beforeApplicationShutdown();
  await vi.advanceTimersByTimeAsync(2_000);
  await stopped;
  expect(close).toHaveBeenCalledOnce();
  expect(() => lifecycle.assertStopped()).toThrow('consumers');
});

it('the lifecycle is the only thing that uses the hooks of Nest: their order is by distance from the root module', () => {
  const hooks = /\b(?:onModuleInit|onModuleDestroy|onApplicationBootstrap|beforeApplicationShutdown|onApplicationShutdown)\s*\(/;
  const files = globSync('{apps,libs}/*/src/**/*.ts').filter((path) => !/\.(?:int-|e2e-)?spec\.ts$/.test(path));
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((path) => hooks.test(readFileSync(path, 'utf8')))).toEqual(['libs/runtime/src/process/lifecycle.ts']);
});
