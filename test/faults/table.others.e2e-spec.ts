import { expect, it } from 'vitest';
import { matrix } from './matrix.js';
import { tableOf } from './table.js';

tableOf(['redis', 'embedder', 'objectStore', 'llm']);

it('every dependency of the table is in this file or in the other one', () => {
  const dependencies = [...new Set(matrix.map(({ dependency }) => dependency))];
  expect(dependencies.sort()).toEqual(['chroma', 'embedder', 'llm', 'objectStore', 'postgres', 'rabbitmq', 'redis']);
});
