import { describe, expect, it } from 'vitest';
import { type ConsumingApp, queues } from '#lib/contracts/pipeline';
import { aRow } from './builders.contract.js';
import { definitionsFor, type Permission } from './permissions.js';

const withAudit = { ...queues, 'audit.messages': aRow({ app: 'audit' as ConsumingApp, hears: ['message.created'] }) };

const of = (user: string, rows = withAudit) => {
  const permission = definitionsFor(rows).permissions.find((each) => each.user === user);
  if (permission === undefined) throw new Error(`no permission of ${user}`);
  const may = (what: keyof Pick<Permission, 'configure' | 'write' | 'read'>, name: string) => new RegExp(permission[what]).test(name);
  return { may };
};

describe('the permissions of RabbitMQ', () => {
  it('give an app with a new row a user of its own that reads its own queues only', () => {
    const before = definitionsFor(queues).users.map(({ name }) => name);
    expect(definitionsFor(withAudit).users.map(({ name }) => name)).toEqual([
      ...before.filter((name) => !['parley-ops', 'parley-cli', 'parley-monitor'].includes(name)),
      'parley-audit',
      'parley-ops',
      'parley-cli',
      'parley-monitor',
    ]);
    const { may } = of('parley-audit');
    expect(['audit.messages', 'audit.messages.retry.3', 'audit.messages.dlq'].filter((name) => !may('read', name))).toEqual([]);
    expect(['embedding.messages', 'embedding.requests', 'audit.messages.retry.3x'].filter((name) => may('read', name))).toEqual([]);
  });

  it.each(['parley-gateway', 'parley-embedding', 'parley-audit', 'parley-ops'])('let %s bind every work queue again', (user) => {
    for (const queue of ['embedding.messages', 'audit.messages']) expect(of(user).may('write', queue)).toBe(true);
  });

  it('let the command line work on queues whose row is gone, and the monitoring user on none', () => {
    expect([of('parley-cli').may('configure', 'old.messages.dlq'), of('parley-ops').may('configure', 'old.messages.dlq')]).toEqual([
      true,
      false,
    ]);
    for (const what of ['configure', 'write', 'read'] as const) expect(of('parley-monitor').may(what, 'embedding.messages')).toBe(false);
  });

  it('give no service access to the management API', () => {
    const { users } = definitionsFor(withAudit);
    expect(users.filter(({ tags }) => tags !== '')).toEqual([{ name: 'parley-monitor', tags: 'monitoring' }]);
  });

  it('let the gateway read dead letters and send them back, and configure nothing else', () => {
    const { may } = of('parley-gateway');
    expect([may('read', 'audit.messages.dlq'), may('configure', 'audit.messages.dlq.lock')]).toEqual([true, true]);
    expect([may('read', 'audit.messages'), may('configure', 'audit.messages'), may('configure', 'parley.events')]).toEqual([
      false,
      false,
      false,
    ]);
  });
});
