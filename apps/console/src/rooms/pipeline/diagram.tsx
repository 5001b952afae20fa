import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';
import type { AdminPicture, FlowEdge, FlowNode } from '#lib/contracts/admin-live';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useNow } from '../live/live.js';
import { Table } from '../live/room.js';
import { SignShape, State } from '../live/sign.js';
import s from './diagram.module.css';
import { factsOf } from './facts.js';
import { type Box, type Curve, type Direction, layOut, neighbour } from './layout.js';
import { pipelineMessages } from './messages.js';
import { known, type Level, type NodeState, stateOf } from './node-state.js';

/** Follows the width of an element. */
function useWidth(): readonly [(element: HTMLElement | null) => void, number] {
  const [element, setElement] = useState<HTMLElement | null>(null);
  const [width, setWidth] = useState(1_240);
  useEffect(() => {
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return [setElement, width];
}

interface Drawn {
  readonly node: FlowNode;
  readonly state: NodeState;
  readonly name: string;
  readonly lines: readonly string[];
  readonly all: readonly string[];
}

/** The flow as a drawing and as a table. `followed`: ids of the nodes on the way of the message that is followed. */
export function Diagram({
  flow: { nodes, edges },
  picture,
  followed,
}: {
  readonly flow: { readonly nodes: readonly FlowNode[]; readonly edges: readonly FlowEdge[] };
  readonly picture: Partial<AdminPicture>;
  readonly followed: ReadonlySet<string>;
}) {
  const words = useMessages(pipelineMessages);
  const formats = useFormats();
  const now = useNow();
  const [setFrame, width] = useWidth();
  const layout = useMemo(() => layOut(nodes, edges, width), [nodes, edges, width]);
  const [chosen, setChosen] = useState<string>();
  const drawn = nodes.map((node): Drawn => {
    const state = stateOf(node, picture);
    const name =
      node.kind === 'retry' || node.kind === 'dead-letters' ? `${words.kinds[node.kind]} ${node.queue ?? node.label}` : node.label;
    return { node, state, name, ...factsOf(node, state, picture, words, formats, now) };
  });
  const shown = drawn.find(({ node }) => node.id === chosen);
  return (
    <>
      <div ref={setFrame} className={s['frame']}>
        <svg
          width={layout.width}
          height={layout.height}
          viewBox={`0 0 ${layout.width} ${layout.height}`}
          // oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- none of them is a drawing
          role="group"
          aria-label={`${words.diagram}. ${words.diagramHint}`}
        >
          {layout.columns.map(({ kind, x }) => (
            <text key={x} x={x} y={16} className={s['head']} aria-hidden>
              {words.columns[kind]}
            </text>
          ))}
          <g aria-hidden>
            {layout.curves.map((curve) => (
              <Edge key={`${curve.from} ${curve.to}`} curve={curve} picture={picture} nodes={nodes} followed={followed} chosen={chosen} />
            ))}
          </g>
          <Nodes drawn={drawn} boxes={layout.boxes} followed={followed} chosen={chosen} onChoose={setChosen} />
        </svg>
      </div>
      <div className={s['below']}>{shown === undefined ? <Legend /> : <Shown shown={shown} edges={edges} nodes={nodes} />}</div>
      <details className={s['details']}>
        <summary>{words.asTable}</summary>
        <Table
          label={words.diagram}
          columns={[words.node, words.kind, words.state, words.facts, words.leadsTo].map((head) => ({ head }))}
          rows={drawn.map(({ node, name, state, all }) => ({
            key: node.id,
            cells: [
              name,
              words.kinds[node.kind],
              <StateOf key="state" state={state} />,
              all.slice(all[0] === words.states[state.state] ? 1 : 0).join(' · '),
              leadsTo(node, edges, nodes),
            ],
          }))}
        />
      </details>
    </>
  );
}

/** The nodes: one stop of the tab key, and arrow keys from there. */
function Nodes({
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
          aria-label={[words.kinds[node.kind] === node.label ? node.label : titleOf(node, words.kinds[node.kind]), ...all].join(', ')}
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
const titleOf = ({ kind, label, queue }: FlowNode, word: string): string =>
  `${word} ${kind === 'retry' || kind === 'dead-letters' ? (queue ?? label) : label}`;

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
  if (node.kind === 'client') {
    return (
      <text x={box.width / 2} y={box.height / 2 + 4} textAnchor="middle" className={s['name']}>
        {node.label}
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
  const hasSign = node.kind !== 'exchange';
  return (
    <>
      {hasSign && <SignShape level={state.level} {...(isPaused ? { as: 'paused' } : {})} x={10} y={9} />}
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

function Edge({
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

function Shown({
  shown,
  edges,
  nodes,
}: {
  readonly shown: Drawn;
  readonly edges: readonly FlowEdge[];
  readonly nodes: readonly FlowNode[];
}) {
  const words = useMessages(pipelineMessages);
  const { node, state, name, all } = shown;
  const events = [...new Set(edges.filter(({ to }) => to === node.id).flatMap((edge) => edge.events))];
  const to = leadsTo(node, edges, nodes);
  return (
    <output className={s['shown']}>
      <strong>{name}</strong>
      <StateOf state={state} />
      {all
        .filter((fact) => fact !== words.states[state.state])
        .map((fact) => (
          <span key={fact}>{fact}</span>
        ))}
      {events.length > 0 && <span>← {events.join(', ')}</span>}
      {to !== '' && <span>→ {to}</span>}
    </output>
  );
}

const StateOf = ({ state: { level, state } }: { readonly state: NodeState }) => {
  const words = useMessages(pipelineMessages);
  const word = words.states[state];
  return word === '' ? (
    '–'
  ) : (
    <State level={level} {...(state === 'paused' ? { as: 'paused' } : {})}>
      {word}
    </State>
  );
};

function leadsTo({ id }: FlowNode, edges: readonly FlowEdge[], nodes: readonly FlowNode[]): string {
  const names = new Map(
    nodes.map((node) => [node.id, node.kind === 'retry' || node.kind === 'dead-letters' ? `${node.label} ${node.queue}` : node.label]),
  );
  return edges
    .filter(({ from }) => from === id)
    .map(({ to }) => names.get(to) ?? to)
    .join(', ');
}

const levels: readonly Level[] = ['calm', 'attention', 'bad', 'unknown'];

function Legend() {
  const words = useMessages(pipelineMessages);
  return (
    <div className={s['shown']}>
      <span className={s['soft']}>{words.legend}</span>
      {levels.map((level) => (
        <State key={level} level={level}>
          {words.levels[level]}
        </State>
      ))}
      <State level="attention" as="paused">
        {words.states.paused}
      </State>
      <span className={s['soft']}>{words.diagramHint}</span>
    </div>
  );
}
