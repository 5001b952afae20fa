import { Link } from 'wouter';
import type { AdminPicture, FlowNode } from '#lib/contracts/admin-live';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useNow } from '../live/live.js';
import { State } from '../live/sign.js';
import { factsOf } from './facts.js';
import { pipelineMessages } from './messages.js';
import { type NodeState, stateOf } from './node-state.js';
import s from './pipeline.module.css';

/** What an operator should look at, the worst first; one sentence when there is nothing. */
export function Troubles({ nodes, picture }: { readonly nodes: readonly FlowNode[]; readonly picture: Partial<AdminPicture> }) {
  const words = useMessages(pipelineMessages);
  const formats = useFormats();
  const now = useNow();
  const found = nodes
    .map((node) => ({ node, state: stateOf(node, picture) }))
    .filter(({ state: { level } }) => level === 'bad' || level === 'attention')
    .toSorted((one, other) => rank(one.state) - rank(other.state));
  const isKnown = nodes.some((node) => node.queue !== undefined && stateOf(node, picture).level === 'calm');
  if (found.length === 0) return isKnown ? <State level="calm">{words.calm}</State> : null;
  return (
    <ul className={s['troubles']} aria-label={words.troubles}>
      {found.map(({ node, state }) => {
        const { all } = factsOf(node, state, picture, words, formats, now);
        const name = node.kind === 'dead-letters' ? (node.queue ?? node.label) : node.label;
        return (
          <li key={node.id} data-level={state.level}>
            <State level={state.level} {...(state.state === 'paused' ? { as: 'paused' } : {})}>
              {name}
            </State>
            <span>{all.slice(0, 3).join(' · ')}</span>
            {node.kind === 'dead-letters' && <Link href={`/repair/${node.queue ?? ''}`}>{words.openRepair}</Link>}
          </li>
        );
      })}
    </ul>
  );
}

const rank = ({ level }: NodeState): number => (level === 'bad' ? 0 : 1);
