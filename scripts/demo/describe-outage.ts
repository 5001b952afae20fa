import pc from 'picocolors';
import { duration } from '../../apps/cli/src/output/cells.js';
import { tableOf } from '#lib/devstack/terminal/table';
import type { Outage } from './outage.js';
import type { Spread } from './summary.js';

/** What an outage looked like, for a person. */
export function describeOutage({ dependency, ackMs, outageMs, healedAfterMs, messages }: Outage): string {
  const row = (name: string, { p50, p95, max }: Spread) => [
    name,
    ...[p50, p95, max].map((value) => (value === null ? '-' : `${value.toFixed(1)} ms`)),
  ];
  const isWhole = messages.found === messages.sent;
  return [
    tableOf(
      ['acknowledged (202)', 'P50', 'P95', 'max'],
      [row('before', ackMs.before), row(`without ${dependency}`, ackMs.during), row('after', ackMs.after)],
    ),
    `${dependency} was away for ${duration(outageMs)}; ${
      healedAfterMs === null
        ? pc.red('not everything was well again in time')
        : pc.green(`all was well again ${duration(healedAfterMs)} later`)
    }`,
    (isWhole ? pc.green : pc.red)(`${messages.found} of ${messages.sent} messages are found by meaning`),
  ].join('\n');
}
