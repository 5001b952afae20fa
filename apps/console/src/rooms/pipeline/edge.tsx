import type { AdminPicture, FlowNode } from '#lib/contracts/admin-live';
import s from './diagram.module.css';
import type { Curve } from './layout.js';
import { known } from './node-state.js';

/** A way of messages: broader and moving with what travels on it. */
export function Edge({
  curve: { from, to, d, course },
  picture,
  nodes,
  followed,
  chosen,
}: {
  readonly curve: Curve;
  readonly picture: Partial<AdminPicture>;
  readonly nodes: readonly FlowNode[];
  readonly followed: ReadonlySet<string>;
  readonly chosen: string | undefined;
}) {
  const rate = rateOf(from, to, nodes, picture);
  return (
    <path
      className={s['edge']}
      d={d}
      fill="none"
      strokeWidth={1.25 + Math.min(1.75, Math.log2(1 + rate) / 3)}
      data-course={course}
      data-moving={rate > 0 ? '' : undefined}
      data-followed={course === 'near' && followed.has(from) && followed.has(to) ? '' : undefined}
      data-chosen={chosen !== undefined && (from === chosen || to === chosen) ? '' : undefined}
    />
  );
}

/** Messages per second on a way, where a queue at one of its ends tells; else 0. */
function rateOf(from: string, to: string, nodes: readonly FlowNode[], { queues }: Partial<AdminPicture>): number {
  const items = known(queues)?.items ?? [];
  const rowOf = (id: string) => {
    const node = nodes.find((each) => each.id === id);
    return node?.kind === 'queue' ? items.find(({ name }) => name === node.queue) : undefined;
  };
  const published = rowOf(to)?.publishedPerSecond;
  return published ?? rowOf(from)?.handledPerSecond ?? 0;
}
