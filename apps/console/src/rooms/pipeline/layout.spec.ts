import { expect, it } from 'vitest';
import type { FlowNode } from '#lib/contracts/admin-live';
import { type Box, layOut, neighbour } from './layout.js';

type Placed = Parameters<typeof layOut>[0][number];
type Way = Parameters<typeof layOut>[1][number];

const COLUMN = { client: 0, app: 5, outbox: 2, exchange: 3, queue: 4, retry: 4, 'dead-letters': 4, store: 6 } as const;

const node = (kind: FlowNode['kind'], id: string, more: { column?: number; queue?: string } = {}): Placed => ({
  kind,
  id,
  column: COLUMN[kind],
  ...more,
});

/** Two apps whose queues come mixed, as they do in `pipeline.ts`. */
const nodes: Placed[] = [
  node('client', 'clients'),
  node('app', 'gateway', { column: 1 }),
  node('outbox', 'outbox'),
  node('exchange', 'events'),
  ...['indexer.one', 'mailer.one', 'indexer.two', 'mailer.two'].flatMap((name) => [
    node('queue', name, { queue: name }),
    node('retry', `${name}.retry`, { queue: name }),
    node('dead-letters', `${name}.dlq`, { queue: name }),
  ]),
  node('app', 'indexer'),
  node('app', 'mailer'),
  node('store', 'postgres'),
  node('store', 'chroma'),
];
const way = (from: string, to: string, kind: Way['kind'] = 'event'): Way => ({ from, to, kind });

const ways: Way[] = [
  way('clients', 'gateway'),
  way('gateway', 'outbox'),
  way('outbox', 'events'),
  ...nodes
    .filter(({ kind }) => kind === 'queue')
    .flatMap(({ id }) => [
      way('events', id),
      way(id, `${id}.retry`, 'retry'),
      way(`${id}.retry`, id, 'retry'),
      way(id, `${id}.dlq`, 'give-up'),
      way(id, id.split('.')[0] ?? ''),
    ]),
  way('indexer', 'chroma'),
  way('mailer', 'postgres'),
  way('indexer', 'events'),
  way('gateway', 'postgres', 'call'),
  way('gateway', 'indexer.one', 'request'),
];
const drawing = layOut(nodes, ways, 1_240);
const box = (id: string): Box => {
  const found = drawing.boxes.get(id);
  if (found === undefined) throw new Error(`${id} is not placed`);
  return found;
};

it('every node is inside the drawing, and no two overlap', () => {
  const placed = nodes.map(({ id }) => ({ id, ...box(id) }));
  for (const one of placed) {
    expect(one.x + one.width).toBeLessThanOrEqual(drawing.width);
    expect(one.y + one.height).toBeLessThanOrEqual(drawing.height);
    for (const other of placed) {
      if (one.id === other.id) continue;
      const isApart =
        one.x + one.width <= other.x || other.x + other.width <= one.x || one.y + one.height <= other.y || other.y + other.height <= one.y;
      expect(isApart, `${one.id} and ${other.id} overlap`).toBe(true);
    }
  }
});

it('the flow reads from left to right, and a retry and a dead-letter queue stand beside their queue', () => {
  const path = ['clients', 'gateway', 'outbox', 'events', 'indexer.one', 'indexer.one.retry', 'indexer.one.dlq', 'indexer', 'chroma'];
  const edges = path.map((id) => box(id).x);
  expect(edges).toEqual(edges.toSorted((one, other) => one - other));
  expect(new Set(['indexer.one', 'indexer.one.retry', 'indexer.one.dlq'].map((id) => box(id).y)).size).toBe(1);
});

it('queues of one app stand together, and the app beside them', () => {
  const order = nodes
    .filter(({ kind }) => kind === 'queue')
    .map(({ id }) => id)
    .toSorted((one, other) => box(one).y - box(other).y);
  expect(order).toEqual(['indexer.one', 'indexer.two', 'mailer.one', 'mailer.two']);
  const middle = (id: string) => box(id).y + box(id).height / 2;
  expect(middle('indexer')).toBeLessThan(middle('mailer'));
});

it('a way to the next column leads there, one that skips columns or leads back goes under all boxes, and satellites have none', () => {
  const far = drawing.curves.filter(({ course }) => course === 'far').map(({ from, to }) => [from, to]);
  expect(far).toEqual([
    ['indexer', 'events'],
    ['gateway', 'indexer.one'],
  ]);
  // Neither the three of each queue, nor the call from far away.
  expect(drawing.curves).toHaveLength(ways.length - 12 - 1);
  for (const { d } of drawing.curves) expect(d).not.toMatch(/NaN|Infinity/);
});

it('a drawing fills the width that it is given, and takes more when it needs it', () => {
  expect(layOut(nodes, ways, 1_400).width).toBe(1_400);
  expect(layOut(nodes, ways, 300).width).toBeGreaterThan(1_000);
});

it('a node without a way is placed too, and nothing at all is an empty drawing', () => {
  expect(layOut([node('app', 'alone')], [], 500).boxes.has('alone')).toBe(true);
  expect(layOut([], [], 500)).toMatchObject({ curves: [], columns: [] });
});

it('arrow keys lead to the nearest node ahead, and nowhere at the edge', () => {
  const go = (from: string, direction: Parameters<typeof neighbour>[2]) => neighbour(drawing.boxes, from, direction);
  expect(go('indexer.one', 'down')).toBe('indexer.two');
  expect(go('indexer.two', 'up')).toBe('indexer.one');
  expect(go('indexer.one', 'right')).toBe('indexer.one.retry');
  expect(go('indexer.one.dlq', 'right')).toBe('indexer');
  expect(go('outbox', 'left')).toBe('gateway');
  expect(go('clients', 'left')).toBeUndefined();
});
