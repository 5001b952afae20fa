import { expect, it } from 'vitest';
import { DependencyError } from '#lib/resilience/call/errors';
import { createLogger } from '#lib/runtime/log/logger';
import { MemoryCatalogue } from '../adapters/activities/memory-catalogue.js';
import { CurrentCatalogue } from './current-catalogue.js';

const logger = createLogger('test', 'silent');

/** Counts what it is asked for, and fails while it is told to. */
class UnreliableCatalogue extends MemoryCatalogue {
  isAway = false;
  reads = 0;

  override async rows() {
    this.reads += 1;
    if (this.isAway) throw new DependencyError('postgres', 'reads', 'unavailable');
    return super.rows();
  }
}

const setup = () => {
  const store = new UnreliableCatalogue();
  return { store, catalogue: new CurrentCatalogue(store, logger) };
};

it('the current catalogue is the built-in one until the first was read', async () => {
  const { store, catalogue } = setup();
  store.isAway = true;
  await expect(catalogue.refresh()).rejects.toBeInstanceOf(DependencyError);
  expect(catalogue.isBuiltIn).toBe(true);
  store.isAway = false;
  await catalogue.refresh();
  expect([catalogue.isBuiltIn, catalogue.current.version]).toEqual([false, '1']);
});

it('the current catalogue is read again when its version is another one, and only then', async () => {
  const { store, catalogue } = setup();
  for (let i = 0; i < 3; i += 1) await catalogue.refresh();
  expect(store.reads).toBe(1);
  store.change({ agents: [], templates: [] });
  await catalogue.refresh();
  expect([store.reads, catalogue.current.pairingsOf('candidate', 'friend')]).toEqual([2, []]);
});

it('the current catalogue is read once for all who ask at the same time', async () => {
  const { store, catalogue } = setup();
  await Promise.all([catalogue.refresh(), catalogue.refresh(), catalogue.refresh()]);
  expect(store.reads).toBe(1);
});

it('the current catalogue stays while the next one cannot be read, and is the next one after that', async () => {
  const { store, catalogue } = setup();
  await catalogue.refresh();
  store.isAway = true;
  store.change({ agents: [], templates: [] });
  await expect(catalogue.refresh()).rejects.toBeInstanceOf(DependencyError);
  expect(catalogue.current.pairingsOf('candidate', 'friend')).toHaveLength(3);
  store.isAway = false;
  await catalogue.refresh();
  expect(catalogue.current.pairingsOf('candidate', 'friend')).toEqual([]);
});
