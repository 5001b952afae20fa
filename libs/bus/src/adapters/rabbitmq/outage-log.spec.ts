import { expect, it } from 'vitest';
import { createLogger } from '#lib/runtime/log/logger';
import { OutageLog } from './outage-log.js';

it('an outage has one line at its start, then the number of tries, then one when the server is back', () => {
  const lines: { level: string; message: string; failures: number; connections?: number }[] = [];
  const logger = createLogger('test', 'info', { write: (line) => void lines.push(JSON.parse(line) as (typeof lines)[number]) });
  let now = 0;
  const log = new OutageLog('RabbitMQ', () => now);

  for (; now < 65_000; now += 100) for (const connection of ['publish', 'consume', 'watch']) log.failed(connection, 'ECONNREFUSED', logger);
  for (const connection of ['publish', 'consume', 'watch', 'never failed']) log.ended(connection, logger);
  expect(lines.map(({ level, message, connections, failures }) => ({ level, message, connections, failures }))).toEqual([
    { level: 'warn', message: 'cannot connect to RabbitMQ', connections: 1, failures: 1 },
    { level: 'warn', message: 'cannot connect to RabbitMQ', connections: 3, failures: 901 },
    { level: 'warn', message: 'cannot connect to RabbitMQ', connections: 3, failures: 1_801 },
    { level: 'info', message: 'all connections to RabbitMQ are back', failures: 1_950 },
  ]);

  log.failed('publish', 'ECONNREFUSED', logger);
  expect(lines.at(-1)).toMatchObject({ level: 'warn', failures: 1 });
  log.forget('publish');
  log.ended('publish', logger);
  expect(lines).toHaveLength(5);
});
