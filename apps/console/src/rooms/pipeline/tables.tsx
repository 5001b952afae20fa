import type { z } from 'zod';
import type { DependenciesSection, LocksSection, ProcessesSection, RequestsSection } from '#lib/contracts/admin-live';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { Card, OfSection, Table } from '../live/room.js';
import { State } from '../live/sign.js';
import { useNow } from '../live/live.js';
import { pipelineMessages } from './messages.js';
import type { Level } from './node-state.js';
import s from './pipeline.module.css';

const levels: Readonly<Record<'ok' | 'degraded' | 'down' | 'not_configured', Level>> = {
  ok: 'calm',
  degraded: 'attention',
  down: 'bad',
  not_configured: 'unknown',
};

/** Each dependency with its status and since when. */
export function Health({ dependencies }: { readonly dependencies: z.infer<typeof DependenciesSection> | undefined }) {
  const words = useMessages(pipelineMessages);
  const formats = useFormats();
  const now = useNow();
  return (
    <Card title={words.health}>
      <OfSection section={dependencies}>
        {({ items }) => (
          <Table
            label={words.health}
            columns={[
              { head: words.dependency },
              { head: words.state },
              { head: words.sinceHead },
              { head: words.latency, isNumber: true },
              { head: words.breaker },
              { head: words.detail },
            ]}
            rows={items.map(({ name, status, since, latencyMs, breaker, detail }) => ({
              key: name,
              cells: [
                <strong key="name">{name}</strong>,
                <State key="status" level={levels[status]}>
                  {words.statuses[status]}
                </State>,
                <span key="since" title={formats.full(since)}>
                  {formats.ago(since, now)}
                </span>,
                status === 'not_configured' ? '–' : formats.duration(latencyMs),
                breaker === 'closed' ? (
                  words.breakerStates.closed
                ) : (
                  <State key="breaker" level="attention">
                    {words.breakerStates[breaker]}
                  </State>
                ),
                detail ?? '',
              ],
            }))}
          />
        )}
      </OfSection>
    </Card>
  );
}

/** What all processes have in hand, by route and queue. */
export function Work({ requests }: { readonly requests: z.infer<typeof RequestsSection> | undefined }) {
  const words = useMessages(pipelineMessages);
  const formats = useFormats();
  const count = requests?.state === 'known' ? words.workCount(formats.number(requests.inFlight)) : '';
  return (
    <Card title={words.work} beside={<span className={s['soft']}>{count}</span>}>
      <OfSection section={requests}>
        {({ items, silent }) => (
          <>
            <Table
              label={words.work}
              columns={[
                { head: words.service },
                { head: words.what },
                { head: words.count, isNumber: true },
                { head: words.oldestHead, isNumber: true },
                { head: words.waitsFor },
              ]}
              rows={items.map(({ service, kind, what, count: inHand, oldestMs, overdue, waitingFor }) => ({
                key: `${service} ${kind} ${what}`,
                cells: [
                  service,
                  what,
                  formats.number(inHand),
                  overdue > 0 ? (
                    <State key="age" level="bad">
                      {`${formats.duration(oldestMs)} · ${words.overdue}: ${formats.number(overdue)}`}
                    </State>
                  ) : (
                    formats.duration(oldestMs)
                  ),
                  waitingFor ?? '–',
                ],
              }))}
              empty={words.noWork}
            />
            {silent.length > 0 && <State level="attention">{words.silent(formats.number(silent.length))}</State>}
          </>
        )}
      </OfSection>
    </Card>
  );
}

/** Who waits for whom in Postgres. */
export function Locks({ locks }: { readonly locks: z.infer<typeof LocksSection> | undefined }) {
  const words = useMessages(pipelineMessages);
  const formats = useFormats();
  return (
    <Card title={words.locks}>
      <OfSection section={locks}>
        {({ items }) => (
          <Table
            label={words.locks}
            columns={[{ head: words.service }, { head: words.waitsSince, isNumber: true }, { head: words.lock }, { head: words.blockedBy }]}
            rows={items.map(({ pid, application, waitingSeconds, lock, blockedBy }) => ({
              key: String(pid),
              cells: [
                `${application} (${pid})`,
                formats.duration(waitingSeconds * 1_000),
                lock ?? '–',
                blockedBy
                  .map(({ pid: by, application: whose, state, transactionSeconds }) =>
                    [`${whose} (${by})`, state, transactionSeconds === null ? null : formats.duration(transactionSeconds * 1_000)]
                      .filter((part) => part !== null)
                      .join(' · '),
                  )
                  .join('; '),
              ],
            }))}
            empty={words.noLocks}
          />
        )}
      </OfSection>
    </Card>
  );
}

/** Every process that ops knows. */
export function Processes({ processes }: { readonly processes: z.infer<typeof ProcessesSection> | undefined }) {
  const words = useMessages(pipelineMessages);
  const formats = useFormats();
  const now = useNow();
  return (
    <Card title={words.processes}>
      <OfSection section={processes}>
        {({ items }) => (
          <Table
            label={words.processes}
            columns={[
              { head: words.service },
              { head: words.state },
              { head: words.sinceHead },
              { head: words.started },
              { head: words.memoryHead, isNumber: true },
              { head: words.cpu, isNumber: true },
              { head: words.lagHead, isNumber: true },
            ]}
            rows={items.map(
              ({ service, target, ready, since, startedAt, workers, memoryBytes, memoryLimitBytes, cpuCores, loopLagMs }) => ({
                key: target,
                cells: [
                  <span key="name" title={target}>
                    <strong>{service}</strong>
                    {workers !== null && workers > 1 ? ` × ${formats.number(workers)}` : ''}
                  </span>,
                  <State key="state" level={ready ? 'calm' : 'bad'}>
                    {ready ? words.ready : words.notReady}
                  </State>,
                  <span key="since" title={formats.full(since)}>
                    {formats.ago(since, now)}
                  </span>,
                  startedAt === null ? '–' : formats.ago(startedAt, now),
                  memoryBytes === null
                    ? '–'
                    : [formats.bytes(memoryBytes), ...(memoryLimitBytes === null ? [] : [formats.bytes(memoryLimitBytes)])].join(' / '),
                  cpuCores === null ? '–' : formats.number(cpuCores),
                  loopLagMs === null ? '–' : formats.duration(loopLagMs),
                ],
              }),
            )}
            empty={words.noProcesses}
          />
        )}
      </OfSection>
    </Card>
  );
}
