import { Link } from 'wouter';
import type { AdminPicture, FlowNode } from '#lib/contracts/admin-live';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useLive, useNow } from '../live/live.js';
import { State } from '../live/sign.js';
import { factsOf } from './facts.js';
import { pipelineMessages } from './messages.js';
import { type NodeState, stateOf } from './node-state.js';
import s from './pipeline.module.css';

/** Sections without which a node may be unknown for a moment, at the beginning. */
const needed = ['queues', 'processes', 'dependencies', 'outbox'] as const;
/** Names in one sentence. */
const MOST_NAMES = 6;

/** What an operator should look at, the worst first; one sentence when there is nothing. What is not known is never called calm. */
export function Troubles({ nodes, picture }: { readonly nodes: readonly FlowNode[]; readonly picture: Partial<AdminPicture> }) {
  const words = useMessages(pipelineMessages);
  const formats = useFormats();
  const now = useNow();
  const { status } = useLive();
  const all = nodes.map((node) => ({ node, state: stateOf(node, picture) }));
  const found = all
    .filter(({ state: { level } }) => level === 'bad' || level === 'attention')
    .toSorted((one, other) => rank(one.state) - rank(other.state));
  if (found.length === 0) {
    // What was calm when the stream was cut may be calm no longer.
    if (status.kind !== 'live' || nodes.length === 0 || needed.some((name) => picture[name] === undefined)) return null;
    const unknown = [...new Set(all.filter(({ state }) => state.level === 'unknown').map(({ node }) => nameOf(node)))];
    if (unknown.length === 0) return <State level="calm">{words.calm}</State>;
    const names = unknown.slice(0, MOST_NAMES).join(', ');
    return <State level="unknown">{words.notAllKnown(unknown.length > MOST_NAMES ? `${names}, …` : names)}</State>;
  }
  return (
    <ul className={s['troubles']} aria-label={words.troubles}>
      {found.map(({ node, state }) => {
        const facts = factsOf(node, state, picture, words, formats, now).all;
        return (
          <li key={node.id} data-level={state.level}>
            <State level={state.level} {...(state.state === 'paused' ? { as: 'paused' } : {})}>
              {nameOf(node)}
            </State>
            <span>{facts.slice(0, 3).join(' · ')}</span>
            {node.kind === 'dead-letters' && <Link href={`/repair/${node.queue ?? ''}`}>{words.openRepair}</Link>}
          </li>
        );
      })}
    </ul>
  );
}

const nameOf = ({ dependency, queue, label }: FlowNode): string => dependency ?? queue ?? label;

const rank = ({ level }: NodeState): number => (level === 'bad' ? 0 : 1);
