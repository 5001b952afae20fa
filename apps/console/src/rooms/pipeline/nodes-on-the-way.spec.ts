import { expect, it } from 'vitest';
import type { FlowEdge, FlowNode } from '#lib/contracts/admin-live';
import { nodesOnTheWay } from './nodes-on-the-way.js';

const node = (kind: FlowNode['kind'], id: string, more: Partial<FlowNode> = {}): FlowNode => ({ kind, id, label: id, column: 0, ...more });
const edge = (from: string, to: string): Pick<FlowEdge, 'from' | 'to'> => ({ from, to });

const nodes = [
  node('app', 'gateway', { service: 'gateway' }),
  node('outbox', 'outbox'),
  node('exchange', 'parley.events'),
  node('queue', 'q1', { queue: 'embedding.messages' }),
  node('queue', 'q2', { queue: 'scoring.messages' }),
  node('app', 'embedding', { service: 'embedding' }),
  node('app', 'scoring', { service: 'scoring' }),
  node('store', 'postgres', { dependency: 'postgres' }),
];
const edges = [
  edge('outbox', 'parley.events'),
  edge('parley.events', 'q1'),
  edge('parley.events', 'q2'),
  edge('q1', 'embedding'),
  edge('q2', 'scoring'),
];
const on = (...steps: { who: string; what: string }[]) => [...nodesOnTheWay(steps, nodes, edges)].toSorted();

it('what went through a queue has come through outbox and exchange and gone to the service that reads it', () => {
  expect(on({ who: 'gateway', what: 'POST /v1/x' }, { who: 'postgres', what: 'indexed (embedding.messages)' })).toEqual([
    'embedding',
    'gateway',
    'outbox',
    'parley.events',
    'postgres',
    'q1',
  ]);
});

it('a way of which nothing is known frames nothing', () => {
  expect(on()).toEqual([]);
});
