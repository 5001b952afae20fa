import { useMemo, useState } from 'react';
import type { FlowEdge, FlowNode, TraceStep } from '#lib/contracts/admin-live';
import { useMessages } from '../../i18n/messages.js';
import { LiveProvider, useLive } from '../live/live.js';
import { Card, OfSection, Room } from '../live/room.js';
import { LatencyChart } from './chart.js';
import { Diagram } from './diagram.js';
import { Follow } from './follow.js';
import { nodesOnTheWay } from './nodes-on-the-way.js';
import { pipelineMessages } from './messages.js';
import s from './pipeline.module.css';
import { Health, Locks, Processes, Work } from './tables.js';
import { Troubles } from './troubles.js';

/** The flow of messages as it is now, the way of one message, health, latency, and what is in hand. */
export default function PipelineRoom() {
  return (
    <LiveProvider>
      <Pipeline />
    </LiveProvider>
  );
}

const noSteps: readonly TraceStep[] = [];
const nothing: { readonly nodes: readonly FlowNode[]; readonly edges: readonly FlowEdge[] } = { nodes: [], edges: [] };

function Pipeline() {
  const words = useMessages(pipelineMessages);
  const { picture } = useLive();
  const [steps, setSteps] = useState(noSteps);
  const { flow, messages, dependencies, latencies, requests, locks, processes } = picture;
  const { nodes, edges } = flow?.state === 'known' ? flow : nothing;
  const followed = useMemo(() => nodesOnTheWay(steps, nodes, edges), [steps, nodes, edges]);
  return (
    <Room title={words.title}>
      <Troubles nodes={nodes} picture={picture} />
      <Card title={words.diagram}>
        <OfSection section={flow}>{(known) => <Diagram flow={known} picture={picture} followed={followed} />}</OfSection>
      </Card>
      <Follow messages={messages} onSteps={setSteps} />
      <Health dependencies={dependencies} />
      <Card title={words.latencies}>
        <OfSection section={latencies}>
          {(known) => {
            const { times, ack, delivery, search, searchable } = known;
            return (
              <div className={s['charts']}>
                {Object.entries({ ack, delivery, search, searchable }).map(([name, quantiles]) => (
                  <LatencyChart key={name} name={words.charts[name as keyof typeof words.charts]} at={times} quantiles={quantiles} />
                ))}
              </div>
            );
          }}
        </OfSection>
      </Card>
      <Work requests={requests} />
      <Locks locks={locks} />
      <Processes processes={processes} />
    </Room>
  );
}
