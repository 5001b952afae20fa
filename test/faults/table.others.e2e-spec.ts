import { expect, it } from 'vitest';
import { matrix } from './matrix.js';
import { tableOf } from './table.js';

const subjects = ['redis', 'embedder', 'objectStore', 'llm', 'memory', 'fcm', 'our own processes'];
tableOf(subjects);

it('every subject of the table is in this file or in the other one', () => {
  expect(new Set(matrix.map(({ subject }) => subject))).toEqual(
    new Set([...subjects, 'postgres', 'rabbitmq', 'chroma', 'several at once']),
  );
});
