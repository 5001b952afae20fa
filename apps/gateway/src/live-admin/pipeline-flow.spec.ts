import { expect, it } from 'vitest';
import { FlowSection } from '#lib/contracts/admin-live';
import { pipeline, queues } from '#lib/contracts/pipeline';
import { pipelineFlow } from './pipeline-flow.js';

const { nodes, edges } = pipelineFlow();

it('the flow has every queue of the pipeline, its retries and dead letters, and the app that works it off', () => {
  const queueNodes = nodes.filter(({ kind }) => kind === 'queue');
  expect(queueNodes.map(({ label }) => label)).toEqual(Object.keys(queues));
  // Only these have a row in the section `queues`.
  expect(queueNodes.map(({ queue }) => queue).filter((queue) => queue !== undefined)).toEqual(Object.keys(pipeline));
  for (const kind of ['retry', 'dead-letters']) {
    expect(nodes.filter((node) => node.kind === kind).map(({ queue }) => queue)).toEqual(Object.keys(pipeline));
  }
  for (const [name, { app, hears }] of Object.entries(pipeline)) {
    expect(edges).toContainEqual({ from: 'exchange', to: `queue:${name}`, kind: 'event', events: hears });
    expect(edges).toContainEqual({ from: `queue:${name}`, to: `app:${app}`, kind: 'event', events: hears });
  }
});

it('every edge of the flow joins two nodes, each node is there once, and the contract takes it', () => {
  const ids = nodes.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(edges.flatMap(({ from, to }) => [from, to]).filter((id) => !ids.includes(id))).toEqual([]);
  expect(FlowSection.parse({ state: 'known', at: new Date().toISOString(), nodes, edges }).state).toBe('known');
});
