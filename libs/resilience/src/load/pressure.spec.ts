import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { Pressure, type PressureLevel, type PressureSource, type Priority, sustained } from './pressure.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

type Ratio = number | undefined;

/** A pressure over one source that is as full as the test says. */
const pressureOf = (also: Partial<PressureSource> = {}) => {
  const lines: Record<string, unknown>[] = [];
  const log = new Writable({
    write: (line: Buffer, _encoding, done) => {
      lines.push(JSON.parse(line.toString()) as Record<string, unknown>);
      done();
    },
  });
  let ratio: Ratio;
  const pressure = new Pressure([{ name: 'queues', read: () => ratio, ...also }], createLogger('test', 'info', log));
  const fill = async (to: Ratio): Promise<PressureLevel> => {
    ratio = to;
    await pressure.sample();
    return pressure.level;
  };
  return { pressure, fill, lines };
};

const priorities: readonly Priority[] = ['extra', 'low', 'normal'];
const gauge = async () => (await metrics.pressureRatio.get()).values.find(({ labels }) => labels['source'] === 'queues')?.value;

describe('a level of pressure', () => {
  it.each<[number, PressureLevel, Priority[]]>([
    [0, 'normal', ['extra', 'low', 'normal']],
    [0.79, 'normal', ['extra', 'low', 'normal']],
    [0.8, 'warn', ['low', 'normal']],
    [0.9, 'shed', ['normal']],
    [0.95, 'critical', ['normal']],
    [1, 'full', []],
    [1.2, 'full', []],
  ])('at %d is %s and lets in %j', async (ratio, level, allowed) => {
    const { pressure, fill } = pressureOf();

    expect(await fill(ratio)).toBe(level);
    expect(priorities.filter((priority) => pressure.allows(priority))).toEqual(allowed);
  });

  it('is climbed at once and left only when there is room again, so that it does not flap', async () => {
    const { fill } = pressureOf();

    expect(await fill(0.91)).toBe('shed');
    expect(await fill(0.88)).toBe('shed');
    expect(await fill(0.86)).toBe('shed');
    expect(await fill(0.84)).toBe('warn');
    expect(await fill(0.76)).toBe('warn');
    expect(await fill(0.74)).toBe('normal');
  });

  it('is told in one line per change', async () => {
    const { fill, lines } = pressureOf();

    for (const ratio of [0.5, 0.82, 0.83, 0.97, 0.98, 0.1, 0.1]) await fill(ratio);

    expect(lines.map(({ level, before, source, ratio }) => ({ level, before, source, ratio }))).toEqual([
      { level: 'warn', before: 'normal', source: 'queues', ratio: 0.82 },
      { level: 'critical', before: 'warn', source: 'queues', ratio: 0.97 },
      { level: 'normal', before: 'critical', source: undefined, ratio: undefined },
    ]);
  });
});

describe('a source that is not known', () => {
  it('has no value in the metrics, rather than 0', async () => {
    const { fill } = pressureOf();

    await fill(0.4);
    expect(await gauge()).toBe(0.4);
    await fill(undefined);

    expect(await gauge()).toBeUndefined();
  });

  it('is taken for as full as it was, for a minute', async () => {
    const { fill } = pressureOf();
    await fill(0.92);

    vi.advanceTimersByTime(59_000);

    expect(await fill(undefined)).toBe('shed');
  });

  it('refuses no write after that, because a send needs Postgres only, but leaves out extras', async () => {
    const { pressure, fill } = pressureOf();
    await fill(1);

    vi.advanceTimersByTime(61_000);

    expect(await fill(undefined)).toBe('normal');
    expect(priorities.filter((priority) => pressure.allows(priority))).toEqual(['low', 'normal']);
    await fill(0);
    expect(pressure.allows('extra')).toBe(true);
  });

  it('leaves out nothing when it was never known: a process that has just started', async () => {
    const { pressure, fill } = pressureOf();

    await fill(undefined);

    expect(pressure.allows('extra')).toBe(true);
  });

  it('is also what fails or does not answer in time', async () => {
    const failing = pressureOf({ read: () => Promise.reject(new Error('no')) });
    await failing.fill(undefined);
    expect(failing.pressure.level).toBe('normal');

    const hanging = pressureOf({ read: () => new Promise(() => undefined) });
    const sampled = hanging.pressure.sample();
    await vi.advanceTimersByTimeAsync(2_500);
    await sampled;
    expect(hanging.pressure.level).toBe('normal');
  });
});

it('pressure follows the fullest of its sources', async () => {
  const ratios = { queues: 0.85, outbox: 0.2 };
  const sources = [
    { name: 'queues', read: () => ratios.queues },
    { name: 'outbox', read: () => ratios.outbox },
  ];
  const pressure = new Pressure(sources, createLogger('test', 'silent'));

  await pressure.sample();
  expect(pressure.level).toBe('warn');
  ratios.outbox = 0.99;
  await pressure.sample();
  expect(pressure.level).toBe('critical');
});

it('a buffer that overflows into the outbox raises pressure to warn and no further', async () => {
  const { fill } = pressureOf({ atMost: 'warn' });

  expect(await fill(1)).toBe('warn');
});

it('a sustained reading counts what is full now and then only when it stays so', () => {
  const readings = [1, 1, 0.2, 1, 1, 1];
  const read = sustained(() => readings.shift() ?? 0, 3);

  expect([read(), read(), read(), read(), read(), read()]).toEqual([0, 0, 0.2, 0.2, 0.2, 1]);
});

it('pressure is measured again and again until it is stopped', async () => {
  const read = vi.fn<() => number>(() => 0.5);
  const pressure = new Pressure([{ name: 'queues', read }], createLogger('test', 'silent'));

  pressure.start();
  await vi.waitFor(() => expect(read).toHaveBeenCalled(), { timeout: 10_000 });
  pressure.stop();
});
