import { expect, it } from 'vitest';
import { parseConfig, settings } from './config.js';
import { renderConfigurationDoc, renderEnvExample } from './config-docs.js';

/** The settings of an .env file, as a shell or a container engine reads it. */
const parsed = (file: string): Record<string, string> =>
  Object.fromEntries(
    file
      .split('\n')
      .filter((line) => /^[A-Z_]+=/.test(line))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

it('the printed configuration names every setting in the example, with what it is for', () => {
  const example = renderEnvExample();

  for (const [name, { doc }] of Object.entries(settings)) {
    expect(example).toMatch(new RegExp(`^(# )?${name}=`, 'm'));
    expect(example).toContain(doc);
  }
});

it('the printed configuration leaves open in the example what a process cannot start without, and nothing else', () => {
  expect(Object.keys(parsed(renderEnvExample()))).toEqual(['DATABASE_URL', 'RABBITMQ_URL', 'CHROMA_URL']);
});

it('the printed configuration shows the defaults that hold: the example with all of them uncommented changes nothing', () => {
  const required = { DATABASE_URL: 'postgres://db/parley', RABBITMQ_URL: 'amqp://mq', CHROMA_URL: 'http://chroma' };
  const everything = parsed(renderEnvExample().replaceAll(/^# ([A-Z_]+=)/gm, '$1'));

  expect(parseConfig({ ...everything, ...required })).toEqual(parseConfig(required));
});

it('the printed configuration has one row per setting in the table', () => {
  const rows = renderConfigurationDoc()
    .split('\n')
    .filter((line) => line.startsWith('| `'));

  expect(rows).toHaveLength(Object.keys(settings).length);
  expect(rows).toContain(
    '| `DB_POOL_TIMEOUT_MS` | `1000` | 1 to 10,000 | Longest wait for a connection before the caller gets 503; also the connect timeout (R068). |',
  );
  expect(rows.find((row) => row.includes('DATABASE_URL'))).toMatch(/^\| `DATABASE_URL` or `DATABASE_URL_FILE` \| \*\*required\*\* \|/);
});
