import type { AdminPicture } from '#lib/contracts/admin-live';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useNow } from '../live/live.js';
import { Card, OfSection, Table } from '../live/room.js';
import { State } from '../live/sign.js';
import type { Level } from '../pipeline/node-state.js';
import { repairMessages } from './messages.js';
import s from './repair.module.css';

/** Breakers of all processes that are not closed. */
export function Breakers({ dependencies }: { readonly dependencies: AdminPicture['dependencies'] | undefined }) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const now = useNow();
  return (
    <Card title={words.breakers}>
      <OfSection section={dependencies}>
        {({ breakers }) =>
          breakers === null ? (
            <State level="unknown">{words.breakersUnknown}</State>
          ) : breakers.length === 0 ? (
            <State level="calm">{words.allClosed}</State>
          ) : (
            <Table
              label={words.breakers}
              columns={[words.dependency, words.operation, words.state, words.since, words.process].map((head) => ({ head }))}
              rows={breakers.map(({ app, host, pid, dependency, operation, state, since }) => ({
                key: `${app} ${host} ${pid} ${dependency} ${operation}`,
                cells: [
                  <strong key="dependency">{dependency}</strong>,
                  operation,
                  <State key="state" level={state === 'open' ? 'bad' : 'attention'}>
                    {words.breakerStates[state]}
                  </State>,
                  <span key="since" title={formats.full(since)}>
                    {formats.ago(since, now)}
                  </span>,
                  `${app} (${host}, ${pid})`,
                ],
              }))}
            />
          )
        }
      </OfSection>
    </Card>
  );
}

const levels: Readonly<Record<'P0' | 'P1' | 'P2', Level>> = { P0: 'bad', P1: 'bad', P2: 'attention' };

/** What the alerter of ops holds for true, and what it told last. */
export function Alerts({ alerts }: { readonly alerts: AdminPicture['alerts'] | undefined }) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const now = useNow();
  return (
    <Card
      title={words.alerts}
      beside={
        alerts?.state === 'known' ? (
          <span className={s['soft']}>{words.heardBy(alerts.environment, alerts.channels.join(', '))}</span>
        ) : undefined
      }
    >
      <OfSection section={alerts}>
        {({ items, lastSent }) => (
          <>
            {items.length === 0 ? (
              <State level="calm">{words.nothingFires}</State>
            ) : (
              <Table
                label={words.alerts}
                columns={[words.alert, words.state, words.since, words.summary, words.runbook].map((head) => ({ head }))}
                rows={items.map(({ alert, severity, state, labels, summary, since, mutedBy, runbook }) => ({
                  key: `${alert} ${JSON.stringify(labels)}`,
                  cells: [
                    <State key="alert" level={levels[severity]}>
                      {`${severity} ${alert}`}
                    </State>,
                    mutedBy === null ? words.alertStates[state] : words.mutedBy(mutedBy),
                    formats.ago(since, now),
                    summary,
                    <code key="runbook">{runbook}</code>,
                  ],
                }))}
              />
            )}
            {lastSent.length > 0 && (
              <details className={s['details']}>
                <summary>{words.lastSent}</summary>
                <ul>
                  {lastSent.map(({ at, kind, severity, alert, summary }) => (
                    <li key={`${at} ${alert} ${summary}`}>
                      {formats.full(at)}: {severity} {alert} {words.sentKinds[kind]}, {summary}
                    </li>
                  ))}
                </ul>
              </details>
            )}
          </>
        )}
      </OfSection>
    </Card>
  );
}
