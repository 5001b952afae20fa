import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConfigError } from '../config/config.js';
import { metrics } from '../metrics/metrics.js';
import type { ProcessReport } from '../work/process-report.js';
import { type ProcessHost, type ProcessParts, type ProcessPlan, runProcess } from './run-process.js';
import type { WatchdogOptions } from '../watchdog/watchdog.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A process that notes how it ended instead of ending. */
class RecordingHost extends EventEmitter implements ProcessHost {
  readonly exits: number[] = [];
  readonly printed: string[] = [];
  readonly stderr = { write: (text: string) => this.printed.push(text) };
  readonly lines: { level: string; message: string }[] = [];
  readonly logTo = { write: (line: string) => void this.lines.push(JSON.parse(line) as { level: string; message: string }) };

  constructor(
    readonly env: NodeJS.ProcessEnv = {
      DATABASE_URL: 'postgres://db/parley',
      RABBITMQ_URL: 'amqp://mq',
      CHROMA_URL: 'http://chroma',
      PORT: '8083',
    },
  ) {
    super();
  }

  lowered = 0;
  /** A folder that is not there: nothing is written unless a test names one. */
  lastWordsIn = join(tmpdir(), 'run-process-spec', 'not', 'there');

  exit(code: number): void {
    this.exits.push(code);
  }

  lowerPriority(): void {
    this.lowered += 1;
  }

  async signal(name: 'SIGTERM' | 'SIGINT'): Promise<void> {
    this.emit(name, name);
    await vi.advanceTimersByTimeAsync(0);
  }
}

const plan = (overrides: Partial<ProcessPlan> = {}): ProcessPlan => ({
  service: 'test',
  drainMs: () => 1_000,
  start: () => Promise.resolve(() => Promise.resolve()),
  ...overrides,
});

const never = (): Promise<never> => new Promise(() => undefined);

describe('starting', () => {
  it('lets the other processes go first when what it does may wait, and only then', async () => {
    const answering = new RecordingHost();
    await runProcess(plan(), answering);
    const background = new RecordingHost();
    await runProcess(plan({ isBackground: true }), background);

    expect([answering.lowered, background.lowered]).toEqual([0, 1]);
  });

  it('is ready once everything listens, not before', async () => {
    let parts: ProcessParts | undefined;
    const { promise: listening, resolve: listen } = Promise.withResolvers<() => Promise<void>>();
    const running = runProcess(
      plan({
        start: (given) => {
          parts = given;
          return listening;
        },
      }),
      new RecordingHost(),
    );

    expect(parts?.readiness.isReady).toBe(false);
    listen(() => Promise.resolve());
    await running;

    expect(parts?.readiness.isReady).toBe(true);
    expect(parts?.config.PORT).toBe(8083);
    parts?.readiness.stop();
  });

  it('ends with 78 and a readable list when the configuration cannot work', async () => {
    const host = new RecordingHost({ PORT: 'eighty' });
    const start = vi.fn(never);

    await runProcess(plan({ start }), host);

    expect(host.exits).toEqual([78]);
    expect(host.printed.join()).toContain('- PORT: ');
    expect(host.printed.join()).toContain('- DATABASE_URL: ');
    expect(start).not.toHaveBeenCalled();
  });

  it('ends with 78 as well when the settings do not fit together', async () => {
    const host = new RecordingHost();

    await runProcess(plan({ start: () => Promise.reject(new ConfigError(['timeouts collide'])) }), host);

    expect(host.exits).toEqual([78]);
    expect(host.lines).toEqual([expect.objectContaining({ level: 'fatal', message: 'Configuration:\n  - timeouts collide' })]);
  });

  it('ends with 1 when it cannot start', async () => {
    const host = new RecordingHost();

    await runProcess(plan({ start: () => Promise.reject(new Error('no database')) }), host);

    expect(host.exits).toEqual([1]);
    expect(host.lines).toEqual([expect.objectContaining({ level: 'fatal', err: expect.objectContaining({ message: 'no database' }) })]);
  });

  it('names the port that is taken and the variable that changes it', async () => {
    const host = new RecordingHost();
    const taken = Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE' });

    await runProcess(plan({ start: () => Promise.reject(taken) }), host);

    expect(host.lines[0]?.message).toBe('port 8083 is taken: give this process another one with PORT');
  });
});

describe('being told to stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('by %s turns readiness off, stops in order and ends with 0', async (signal) => {
    const host = new RecordingHost();
    const order: string[] = [];
    await runProcess(
      plan({
        start: ({ readiness }) =>
          Promise.resolve(() => {
            order.push(readiness.isReady ? 'still ready' : 'not ready', 'stopped');
            return Promise.resolve();
          }),
      }),
      host,
    );

    await host.signal(signal);

    expect(order).toEqual(['not ready', 'stopped']);
    expect(host.exits).toEqual([0]);
    expect(host.lines.map(({ message }) => message)).toEqual(['started', 'stopping', 'stopped']);
  });

  it('waits for what is in flight', async () => {
    const host = new RecordingHost();
    const { promise: drained, resolve: drain } = Promise.withResolvers<void>();
    await runProcess(plan({ start: () => Promise.resolve(() => drained) }), host);

    await host.signal('SIGTERM');
    expect(host.exits).toEqual([]);
    drain();
    await vi.advanceTimersByTimeAsync(0);

    expect(host.exits).toEqual([0]);
  });

  it('does not wait for ever: after its time it leaves with 1', async () => {
    const host = new RecordingHost();
    await runProcess(plan({ start: () => Promise.resolve(never) }), host);

    await host.signal('SIGTERM');
    await vi.advanceTimersByTimeAsync(1_000);

    expect(host.exits).toEqual([1]);
  });

  it('twice means at once', async () => {
    const host = new RecordingHost();
    await runProcess(plan({ start: () => Promise.resolve(never) }), host);

    await host.signal('SIGINT');
    await host.signal('SIGINT');

    expect(host.exits).toEqual([1]);
  });

  it('ends with 1 when stopping fails', async () => {
    const host = new RecordingHost();
    await runProcess(plan({ start: () => Promise.resolve(() => Promise.reject(new Error('broken'))) }), host);

    await host.signal('SIGTERM');

    expect(host.exits).toEqual([1]);
  });

  it('while it still starts lets it start and then stops it, so that nothing is left half open', async () => {
    const host = new RecordingHost();
    const stop = vi.fn(() => Promise.resolve());
    const { promise: listening, resolve: listen } = Promise.withResolvers<() => Promise<void>>();
    const running = runProcess(plan({ start: () => listening }), host);

    await host.signal('SIGTERM');
    expect(stop).not.toHaveBeenCalled();
    listen(stop);
    await running;
    await vi.advanceTimersByTimeAsync(0);

    expect(stop).toHaveBeenCalledOnce();
    expect(host.exits).toEqual([0]);
  });

  it('while it still starts does not wait for ever either', async () => {
    const host = new RecordingHost();
    void runProcess(plan({ start: never }), host);

    await host.signal('SIGTERM');
    await vi.advanceTimersByTimeAsync(1_000);

    expect(host.exits).toEqual([1]);
  });
});

describe('when the watchdog finds that nothing gets through', () => {
  const watched = (env: NodeJS.ProcessEnv = {}) => {
    const host = new RecordingHost({ ...new RecordingHost().env, ...env });
    const watches: WatchdogOptions[] = [];
    return { watches, host: Object.assign(host, { watch: (options: WatchdogOptions) => void watches.push(options) }) };
  };
  const report = {} as ProcessReport;

  it('finishes what still moves and ends with 70, to be started again', async () => {
    const { host, watches } = watched();
    const stop = vi.fn(() => Promise.resolve());
    await runProcess(plan({ start: () => Promise.resolve(stop) }), host);

    watches[0]?.onStuck('pool', report);
    await vi.advanceTimersByTimeAsync(0);

    expect(stop).toHaveBeenCalledOnce();
    expect(host.exits).toEqual([70]);
  });

  it('waits five seconds for that, not for the whole drain', async () => {
    const { host, watches } = watched();
    await runProcess(plan({ drainMs: () => 55_000, start: () => Promise.resolve(never) }), host);

    watches[0]?.onStuck('pool', report);
    await vi.advanceTimersByTimeAsync(5_000);

    expect(host.exits).toEqual([70]);
  });

  it('lets a process finish that is draining already', async () => {
    const { host, watches } = watched();
    await runProcess(plan({ start: () => Promise.resolve(never) }), host);

    await host.signal('SIGTERM');
    watches[0]?.onStuck('pool', report);
    await vi.advanceTimersByTimeAsync(0);
    expect(host.exits).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_000);

    expect(host.exits).toEqual([1]);
  });

  it('can be switched off', async () => {
    const { host, watches } = watched({ WATCHDOG_HANG_MS: '0' });

    await runProcess(plan(), host);

    expect(watches).toEqual([]);
  });
});

it('a process logs its work in flight on SIGUSR2', async () => {
  const host = new RecordingHost();
  await runProcess(plan(), host);

  host.emit('SIGUSR2', 'SIGUSR2');

  expect(host.lines.at(-1)).toMatchObject({
    message: 'asked what is in hand',
    inHand: { pid: process.pid, work: { items: expect.any(Array) } },
  });
});

it.each(['uncaughtException', 'unhandledRejection'] as const)(
  'a process ends with 1 on %s, and the next one in its place shows when',
  async (event) => {
    const folder = mkdtempSync(join(tmpdir(), 'run-process-'));
    const start = async (): Promise<RecordingHost> => {
      const host = new RecordingHost();
      host.lastWordsIn = folder;
      await runProcess(plan(), host);
      return host;
    };
    const shown = async () => (await metrics.processCrashed.get()).values[0]?.value;
    try {
      await (await start()).signal('SIGTERM');
      const host = await start();
      expect(await shown()).toBe(0);

      host.emit(event, new Error('bug'));

      expect(host.exits).toEqual([1]);
      const endedAt = Date.now();
      await start();
      expect(await shown()).toBe(endedAt / 1_000);
    } finally {
      rmSync(folder, { recursive: true });
      metrics.processCrashed.set(0);
    }
  },
);
