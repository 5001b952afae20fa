import { useEffect, useState } from 'react';
import type { AdminPicture } from '#lib/contracts/admin-live';
import type { ScalingAdvice, ScalingReport } from '#lib/contracts/scaling';
import { useApi } from '../../app/api.js';
import { useMessages } from '../../i18n/messages.js';
import { isAborted } from '../../shared/api.js';
import { useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { Notice } from '../../shared/ui/notice.js';
import { Card, OfSection } from '../live/room.js';
import { State } from '../live/sign.js';
import { repairMessages } from './messages.js';
import s from './repair.module.css';

/** What the advisor says of each service, its refusals included, with the numbers behind it. */
export function Advice({ advice }: { readonly advice: AdminPicture['advice'] | undefined }) {
  const words = useMessages(repairMessages);
  const problemText = useProblemText();
  const [isDouble, setDouble] = useState(false);
  // The stream says when the advice changes; its numbers are read then.
  const version = advice?.state === 'known' ? JSON.stringify(advice.items) : '';
  const { report, error } = useReport(version);
  const items = isDouble ? report?.atDoubleLoad : report?.items;
  const missing = [...new Set((report?.missing ?? []).map(({ service, target }) => service ?? target))];
  return (
    <Card
      title={words.advice}
      beside={
        <label className={s['check']}>
          <input type="checkbox" checked={isDouble} onChange={({ target }) => setDouble(target.checked)} />
          {words.atDouble}
        </label>
      }
    >
      <OfSection section={advice}>
        {() => (
          <>
            {error !== undefined && <Notice tone="warn">{problemText(error)}</Notice>}
            {report?.seesOnlyItself === true && <Notice tone="warn">{words.onlyItself}</Notice>}
            {missing.length > 0 && <Notice tone="warn">{words.missingMetrics(missing.join(', '))}</Notice>}
            {items === undefined && error === undefined && <p className={s['soft']}>{words.readingAdvice}</p>}
            {items?.length === 0 && <p className={s['soft']}>{words.noAdvice}</p>}
            <ul className={s['advice']}>
              {items?.map((each) => (
                <Item key={each.service} advice={each} />
              ))}
            </ul>
          </>
        )}
      </OfSection>
    </Card>
  );
}

function useReport(version: string) {
  const api = useApi();
  const [found, setFound] = useState<{ readonly report?: ScalingReport; readonly error?: unknown }>({});
  useEffect(() => {
    if (version === '') return undefined;
    const asking = new AbortController();
    const ask = async () => {
      try {
        setFound({ report: await api.ask<ScalingReport>('./v1/admin/scaling-advice', { signal: asking.signal }) });
      } catch (error) {
        if (!isAborted(error)) setFound((before) => ({ ...before, error }));
      }
    };
    void ask();
    return () => asking.abort();
  }, [api, version]);
  return found;
}

function Item({ advice }: { readonly advice: ScalingAdvice }) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const { service, action, rule, rebalance, now, to, reason, numbers, checks, connections, watch, confidence, etaSeconds } = advice;
  const what = rebalance && action === 'none' ? words.rebalance : words.actions[action];
  const size = (value: number | null) => (value === null ? '?' : formats.number(value));
  const changes = (Object.keys(now) as (keyof typeof now)[])
    .filter((name) => now[name] !== to[name])
    .map((name) => `${words.sizes[name]} ${size(now[name])} → ${size(to[name])}`);
  const facts = [
    ...(connections === null ? [] : [words.connections(formats.number(connections.after), formats.number(connections.budget))]),
    ...(etaSeconds === null || action === 'none' ? [] : [words.takesEffect(formats.duration(etaSeconds * 1_000))]),
    `${words.confidence}: ${words.confidences[confidence]}`,
    words.step(formats.number(rule)),
  ];
  return (
    <li>
      <div className={s['adviceHead']}>
        <strong>{service}</strong>
        <State level={action === 'none' && !rebalance ? 'calm' : 'attention'}>{what}</State>
        {changes.map((change) => (
          <strong key={change}>{change}</strong>
        ))}
        <span className={s['soft']}>{facts.join(' · ')}</span>
      </div>
      <p>{reason}</p>
      <details className={s['details']}>
        <summary>{words.details}</summary>
        <ul>
          {Object.entries(numbers).map(([name, value]) => (
            <li key={name}>
              <code>{name}</code> {formats.number(value)}
            </li>
          ))}
          {checks.map((check) => (
            <li key={check}>
              {words.checks}: {check}
            </li>
          ))}
          {watch.length > 0 && (
            <li>
              {words.watch}: <code>{watch.join(', ')}</code>
            </li>
          )}
        </ul>
      </details>
    </li>
  );
}
