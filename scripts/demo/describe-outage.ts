import pc from 'picocolors';
import { duration } from '../../apps/cli/src/output/cells.js';
import { tableOf } from '#lib/devstack/terminal/table';
import type { Outage } from './outage.js';
import type { Spread } from './summary.js';

/** What an outage looked like, for a person. */
export function describeOutage({ dependency, ackMs, deliveredMs, outageMs, healedAfterMs, messages }: Outage): string {
  const row = (name: string, { p50, p95, max }: Spread) => [
    name,
    ...[p50, p95, max].map((value) => (value === null ? '-' : `${value.toFixed(1)} ms`)),
  ];
  const all = (count: number, what: string) =>
    (count === messages.sent ? pc.green : pc.red)(`${count} of ${messages.sent} messages ${what}`);
  return [
    tableOf(
      ['acknowledged (202)', 'P50', 'P95', 'max'],
      [row('before', ackMs.before), row(`without ${dependency}`, ackMs.during), row('after', ackMs.after)],
    ),
    tableOf(
      ['on both sockets after', 'P50', 'P95', 'max'],
      [row('before', deliveredMs.before), row(`without ${dependency}`, deliveredMs.during), row('after', deliveredMs.after)],
    ),
    `${dependency} was away for ${duration(outageMs)}; ${
      healedAfterMs === null
        ? pc.red('not everything was well again in time')
        : pc.green(`all was well again ${duration(healedAfterMs)} later`)
    }`,
    all(messages.seen, 'were shown by both sockets, once and in order'),
    all(messages.found, 'are found by meaning'),
  ].join('\n');
}
