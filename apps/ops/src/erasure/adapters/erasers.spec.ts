import { expect, it } from 'vitest';
import { userData } from '#lib/database/erasure/user-data';
import { type Stores, erasersOf } from './erasers.js';

it('there is an eraser for everything that a table holds of users', () => {
  const nothing = new Proxy({}, { get: () => undefined });
  const names = new Set(erasersOf(nothing as Stores).map(({ name }) => name));
  const wanted = Object.entries(userData).flatMap(([table, data]) => ('rows' in data ? [table] : 'eraser' in data ? [data.eraser] : []));
  expect(wanted.filter((name) => !names.has(name))).toEqual([]);
});
