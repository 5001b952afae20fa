import type { FlowEdge, FlowNode, TraceStep } from '#lib/contracts/admin-live';

type Step = Pick<TraceStep, 'who' | 'what'>;

/**
 * The nodes that steps of a way name, by service, queue or store, and those between them: whatever went into a queue came through the outbox
 * and the exchange.
 */
export function nodesOnTheWay(
  steps: readonly Step[],
  nodes: readonly FlowNode[],
  edges: readonly Pick<FlowEdge, 'from' | 'to'>[],
): ReadonlySet<string> {
  const on = new Set<string>();
  for (const { who, what } of steps) {
    for (const { id, kind, label, service, dependency, queue } of nodes) {
      const isNamed =
        (kind === 'app' && service === who) ||
        (kind === 'store' && dependency === who) ||
        (kind === 'queue' && queue !== undefined && what.includes(queue)) ||
        (kind === 'outbox' && /\boutbox\b/.test(what)) ||
        (kind === 'exchange' && what.includes(label));
      if (isNamed) on.add(id);
    }
  }
  const queues = nodes.filter(({ id, kind }) => kind === 'queue' && on.has(id));
  for (const { id } of queues) {
    for (const { from, to } of edges) {
      if (to === id && nodes.some((node) => node.id === from && node.kind === 'exchange')) on.add(from);
      if (from === id && nodes.some((node) => node.id === to && node.kind === 'app')) on.add(to);
    }
  }
  if (nodes.some(({ id, kind }) => kind === 'exchange' && on.has(id))) {
    for (const { id, kind } of nodes) if (kind === 'outbox') on.add(id);
  }
  return on;
}
