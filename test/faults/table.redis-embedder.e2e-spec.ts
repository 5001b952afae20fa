import { expect, it } from 'vitest';
import { matrix } from './matrix.js';
import { tableOf } from './table.js';

tableOf(['redis', 'embedder']);

it('every dependency of the table is in one of the three files', () => {
  const dependencies = [...new Set(matrix.map(({ dependency }) => dependency))];
  expect(dependencies.sort()).toEqual(['chroma', 'embedder', 'llm', 'objectStore', 'postgres', 'rabbitmq', 'redis']);
});
