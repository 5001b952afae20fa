import { useEffect, useMemo, useState } from 'react';
import type { AdminPicture, FlowEdge, FlowNode } from '#lib/contracts/admin-live';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useNow } from '../live/live.js';
import { Table } from '../live/room.js';
import { State } from '../live/sign.js';
import s from './diagram.module.css';
import { Edge } from './edge.js';
import { factsOf } from './facts.js';
import { layOut } from './layout.js';
import { pipelineMessages } from './messages.js';
import { type Level, type NodeState, stateOf } from './node-state.js';
import { type Drawn, Nodes } from './nodes.js';

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
      node.kind === 'retry' || node.kind === 'dead-letters'
        ? `${words.kinds[node.kind]} ${node.queue ?? node.label}`
        : node.kind === 'client'
          ? words.kinds.client
          : node.label;
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
