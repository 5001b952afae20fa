import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryOnce } from '#lib/resilience/adapters/memory-once';
import { metrics } from '#lib/runtime/metrics/metrics';
import { seededRandom } from '#lib/testing/random';
import type { AlertState } from './alert-states.js';
import { fingerprintOf, type Notice } from './notice.js';
import { NotifyOperators } from './notify-operators.js';
import { rules } from './rules.js';

const MINUTE = 60_000;
let now: number;
let sent: Notice[];
/** Shared by all processes of a test, as Redis is. */
let once: MemoryOnce;
beforeEach(() => {
  now = 1_000 * 3_600_000;
  sent = [];
  once = new MemoryOnce(() => now);
});

const aProcess = () => new NotifyOperators(once, [{ offer: (notice) => sent.push(notice) }], 'test');

const firing = (name: string, labels: Readonly<Record<string, string>> = {}): AlertState => {
  const rule = rules.find((each) => each.name === name);
  if (rule === undefined) throw new Error(`no rule ${name}`);
  const fingerprint = fingerprintOf(rule.worseThan ?? rule.name, labels, 'test');
  return { rule, labels, fingerprint, since: now, state: 'firing', value: 2, targets: [], seenAt: now, firedAt: now, mutedBy: undefined };
};
const told = () => sent.map(({ kind, alert, suppressedCount }) => `${kind} ${alert} ${suppressedCount}`);

describe('what operators are told', () => {
  it.each([1, 17, 59])('is one notice, however often an alert is found true within its cooldown (%i times)', async (times) => {
    const notify = aProcess();
    const alert = firing('DBConnectionFailure');
    for (let i = 0; i < times; i += 1, now += 5_000) await notify.raise(alert, now);
    expect(told()).toEqual(['firing DBConnectionFailure 0']);
  });

  it('is told again after five minutes (P0) or fifteen (P1), with what was left out', async () => {
    const notify = aProcess();
    const [grave, mild] = [firing('DBConnectionFailure'), firing('DeadLetters', { queue: 'q.dlq' })];
    for (let i = 0; i <= 180; i += 1, now += 5_000) for (const each of [grave, mild]) await notify.raise(each, now);
    expect(told().filter((line) => line.includes('DB'))).toEqual(
      ['0', '59', '59', '59'].map((count) => `firing DBConnectionFailure ${count}`),
    );
    expect(told().filter((line) => line.includes('Dead'))).toEqual(['firing DeadLetters 0', 'firing DeadLetters 179']);
  });

  it('comes from one of several processes, its end too', async () => {
    const [one, other] = [aProcess(), aProcess()];
    const alert = firing('DBConnectionFailure');
    for (let i = 0; i < 6; i += 1, now += 5_000) for (const process of [one, other]) await process.raise(alert, now);
    for (const process of [one, other]) await process.resolve(alert, now);
    expect(sent.map(({ kind }) => kind)).toEqual(['firing', 'resolved']);
    expect(new Set(sent.map(({ fingerprint }) => fingerprint)).size).toBe(1);
  });

  it('comes from each process while none knows of the other: as often as there are processes, never not at all', async () => {
    const alert = firing('DBConnectionFailure');
    for (const alone of [new MemoryOnce(() => now), new MemoryOnce(() => now)]) {
      const process = new NotifyOperators(alone, [{ offer: (notice) => sent.push(notice) }], 'test');
      for (let i = 0; i < 10; i += 1) await process.raise(alert, now);
    }
    expect(sent).toHaveLength(2);
  });

  it('does not wait for the cooldown of a milder alert about the same thing, and stays in its thread', async () => {
    const notify = aProcess();
    const [mild, grave] = [firing('ConnectionBudgetExceeded'), firing('ConnectionBudgetExceeded')];
    await notify.raise(mild, now);
    await notify.raise({ ...grave, rule: { ...grave.rule, severity: 'P0' } }, now);
    expect(sent.map(({ severity }) => severity)).toEqual(['P1', 'P0']);
    expect(new Set(sent.map(({ fingerprint }) => fingerprint)).size).toBe(1);
  });

  it('leaves out what an outage explains, and its end', async () => {
    const notify = aProcess();
    const alert = { ...firing('OutboxStuck'), mutedBy: 'DBConnectionFailure' };
    for (let i = 0; i < 10; i += 1) await notify.raise(alert, now);
    await notify.resolve(alert, now);
    expect(sent).toEqual([]);
  });

  it('of two alerts about the same thing is the end of the one that was told, not of the one that it muted', async () => {
    const notify = aProcess();
    const [grave, muted] = [firing('BrokerBlocked'), { ...firing('BrokerUnreachable'), mutedBy: 'BrokerBlocked' }];
    for (const each of [grave, muted]) await notify.raise(each, now);
    await notify.resolve(muted, now + 5_000);
    expect(told()).toEqual(['firing BrokerBlocked 0']);
    await notify.resolve(grave, now + 10_000);
    expect(told()).toEqual(['firing BrokerBlocked 0', 'resolved BrokerBlocked 0']);
    expect(new Set(sent.map(({ fingerprint }) => fingerprint)).size).toBe(1);
  });

  it('does not tell again and again of an alert that comes and goes', async () => {
    const notify = aProcess();
    for (let i = 0; i < 20; i += 1, now += 10_000) {
      const alert = firing('DBConnectionFailure');
      await notify.raise(alert, now);
      await notify.resolve(alert, now + 5_000);
    }
    expect(sent.filter(({ kind }) => kind === 'firing')).toHaveLength(1);
    expect(sent.filter(({ kind }) => kind === 'resolved')).toHaveLength(1);
  });

  it('says how long it lasted', async () => {
    const notify = aProcess();
    const alert = firing('DBConnectionFailure');
    await notify.raise(alert, now);
    await notify.resolve(alert, now + 7 * MINUTE);
    expect(sent[1]).toMatchObject({ kind: 'resolved', detail: 'It lasted 7 min.' });
  });

  it.each([1, 2, 3])(
    'has of P2 only a digest at the end of the hour, whose count is the sum of what was left out (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const notify = aProcess();
      const before = await suppressed('digest');
      let raised = 0;
      await notify.tick(now);
      for (; now < 1_000 * 3_600_000 + 59 * MINUTE; now += 5_000) {
        for (const queue of ['a', 'b', 'c']) {
          if (random() < 0.7) continue;
          await notify.raise(firing('PipelineFilling', { source: queue }), now);
          raised += 1;
        }
        await notify.tick(now);
      }
      expect(sent).toEqual([]);
      now += 2 * MINUTE;
      await notify.tick(now);
      expect(sent).toHaveLength(1);
      expect(sent[0]).toMatchObject({ kind: 'digest', severity: 'P2', suppressedCount: raised });
      expect((await suppressed('digest')) - before).toBe(raised);
      await notify.tick(now + 60 * MINUTE);
      expect(sent).toHaveLength(1);
    },
  );

  it('keeps nothing of what is over', async () => {
    const notify = aProcess();
    for (let i = 0; i < 1_000; i += 1, now += 1_000_000) {
      const alert = firing('DeadLetters', { queue: `q${i}` });
      await notify.raise(alert, now);
      await notify.resolve(alert, now);
      await notify.tick(now);
    }
    expect((notify as unknown as { told: Map<string, unknown> }).told.size).toBeLessThan(3);
  });
});

const suppressed = async (reason: string): Promise<number> =>
  (await metrics.alertsSuppressed.get()).values.find(({ labels }) => labels['reason'] === reason)?.value ?? 0;
