import { expect, it } from 'vitest';
import { matrix } from './matrix.js';
import { tableOf } from './table.js';

const subjects = ['redis', 'embedder', 'objectStore', 'llm', 'memory', 'collector', 'webhook', 'fcm', 'our own processes'];
tableOf(subjects);

it('every subject of the table is in one of these files', () => {
  const others = ['postgres', 'rabbitmq', 'chroma', 'several at once', 'full disks', 'clocks'];
  expect(new Set(matrix.map(({ subject }) => subject))).toEqual(new Set([...subjects, ...others]));
});
