import { type KeyboardEvent, useRef, useState } from 'react';
import type { FlowNode } from '#lib/contracts/admin-live';
import { useMessages } from '../../i18n/messages.js';
import { SignShape } from '../live/sign.js';
import s from './diagram.module.css';
import { type Box, type Direction, neighbour } from './layout.js';
import { pipelineMessages } from './messages.js';
import type { NodeState } from './node-state.js';

/** A node with all that is said of it. */
export interface Drawn {
  readonly node: FlowNode;
  readonly state: NodeState;
  readonly name: string;
  readonly lines: readonly string[];
  readonly all: readonly string[];
}

/** The nodes: one stop of the tab key, and arrow keys from there. */
export function Nodes({
  drawn,
  boxes,
  followed,
  chosen,
  onChoose,
}: {
  readonly drawn: readonly Drawn[];
  readonly boxes: ReadonlyMap<string, Box>;
  readonly followed: ReadonlySet<string>;
  readonly chosen: string | undefined;
  readonly onChoose: (id: string | undefined) => void;
}) {
  const words = useMessages(pipelineMessages);
  const elements = useRef(new Map<string, SVGRectElement>());
  const [stop, setStop] = useState<string>();
  const tabStop = stop !== undefined && boxes.has(stop) ? stop : drawn[0]?.node.id;
  const onKeyDown = (id: string) => (event: KeyboardEvent) => {
    const direction = arrows[event.key];
    if (direction !== undefined) {
      event.preventDefault();
      const next = neighbour(boxes, id, direction);
      if (next !== undefined) elements.current.get(next)?.focus();
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      onChoose(id === chosen ? undefined : id);
    } else if (event.key === 'Escape') onChoose(undefined);
  };
  return drawn.map(({ node, state, lines, all }) => {
    const box = boxes.get(node.id);
    if (box === undefined) return null;
    return (
      <g
        key={node.id}
        className={s['node']}
        data-kind={node.kind}
        data-node={node.id}
        data-level={state.level}
        data-state={state.state}
        data-followed={followed.has(node.id) ? '' : undefined}
        data-chosen={node.id === chosen ? '' : undefined}
        transform={`translate(${box.x} ${box.y})`}
      >
        <rect className={s['box']} width={box.width} height={box.height} rx={cornersOf(node, box)} />
        <g aria-hidden>
          <Inside node={node} state={state} lines={lines} box={box} isPaused={state.state === 'paused'} />
        </g>
        <rect
          ref={(element) => {
            if (element === null) elements.current.delete(node.id);
            else elements.current.set(node.id, element);
          }}
          className={s['button']}
          width={box.width}
          height={box.height}
          rx={cornersOf(node, box)}
          // oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- SVG has no button
          role="button"
          tabIndex={node.id === tabStop ? 0 : -1}
          aria-pressed={node.id === chosen}
          aria-label={[titleOf(node, words.kinds[node.kind]), ...all].join(', ')}
          onClick={() => onChoose(node.id === chosen ? undefined : node.id)}
          onFocus={() => setStop(node.id)}
          onKeyDown={onKeyDown(node.id)}
        />
      </g>
    );
  });
}

const cornersOf = ({ kind }: FlowNode, { height }: Box): number => (kind === 'client' ? height / 2 : 6);

/** What a node is, and its name; satellites are named after their queue. */
const titleOf = ({ kind, label, queue }: FlowNode, word: string): string => {
  if (kind === 'client' || word === label) return word;
  return `${word} ${kind === 'retry' || kind === 'dead-letters' ? (queue ?? label) : label}`;
};

const arrows: Readonly<Record<string, Direction>> = { ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down' };

/** A full queue refuses at a million messages: the bar is logarithmic, so that ten waiting messages show too. */
const share = (ready: number | null | undefined): number => Math.min(1, Math.log10(1 + (ready ?? 0)) / 6);

function Inside({
  node,
  state,
  lines,
  box,
  isPaused,
}: {
  readonly node: FlowNode;
  readonly state: NodeState;
  readonly lines: readonly string[];
  readonly box: Box;
  readonly isPaused: boolean;
}) {
  const words = useMessages(pipelineMessages);
  if (node.kind === 'client') {
    const clients = words.kinds.client.split(' ');
    return (
      <text textAnchor="middle" className={s['name']}>
        {clients.map((word, i) => (
          <tspan key={word} x={box.width / 2} y={box.height / 2 + 4 + (i - (clients.length - 1) / 2) * 16}>
            {word}
          </tspan>
        ))}
      </text>
    );
  }
  if (node.kind === 'retry') {
    return <path className={s['retry']} d="M37 17a9.5 9.5 0 1 0 1.5 9M38.5 12v5.5H33" fill="none" />;
  }
  if (node.kind === 'dead-letters') {
    const isEmpty = state.state === 'empty';
    return (
      <>
        {isEmpty ? <Letter /> : <SignShape level={state.level} x={8} y={16} />}
        <text x={isEmpty ? 34 : 30} y={29} className={s['count']}>
          {lines[0]}
        </text>
      </>
    );
  }
  // Its name leaves no room for a sign before it.
  const hasSign = node.kind !== 'exchange';
  return (
    <>
      {hasSign && <SignShape level={state.level} {...(isPaused ? { as: 'paused' } : {})} x={10} y={9} />}
      {!hasSign && state.level !== 'calm' && <SignShape level={state.level} x={box.width - 26} y={box.height - 24} />}
      <text x={hasSign ? 34 : 10} y={21} className={s['name']}>
        {node.label}
      </text>
      {lines.map((line, i) => (
        <text key={line} x={10} y={39 + i * 18} className={s['line']}>
          {line}
        </text>
      ))}
      {node.kind === 'queue' && (
        <rect className={s['depth']} x={1} y={box.height - 4} height={3} width={(box.width - 2) * share(state.queue?.ready)} />
      )}
    </>
  );
}

/** An envelope: the place of dead letters while there are none. */
const Letter = () => <path className={s['letter']} d="M9 18h18v13H9ZM9 18l9 7l9-7" fill="none" />;
