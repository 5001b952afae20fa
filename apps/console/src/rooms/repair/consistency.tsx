import { useState } from 'react';
import type { ConsistencyReport, ConsistencyRun, FindingKind } from '#lib/contracts/admin';
import type { AdminPicture } from '#lib/contracts/admin-live';
import { useApi } from '../../app/api.js';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { Button } from '../../shared/ui/button.js';
import { Actions, Dialog } from '../../shared/ui/dialog.js';
import { Notice } from '../../shared/ui/notice.js';
import { useNow } from '../live/live.js';
import { Card, OfSection, Table } from '../live/room.js';
import { State } from '../live/sign.js';
import { repairMessages } from './messages.js';
import s from './repair.module.css';

/** Whether messages and vectors are in step, and what brings them there. */
export function Consistency({ consistency }: { readonly consistency: AdminPicture['consistency'] | undefined }) {
  const words = useMessages(repairMessages);
  const problemText = useProblemText();
  const api = useApi();
  const [isAsking, setAsking] = useState(false);
  const [error, setError] = useState<unknown>();
  const order = async (kind: 'check' | 'repair') => {
    setAsking(false);
    setError(undefined);
    try {
      await api.ask<ConsistencyRun>(`./v1/admin/consistency/${kind}`, { method: 'POST' });
    } catch (failure) {
      setError(failure);
    }
  };
  const formats = useFormats();
  const last = consistency?.state === 'known' ? consistency.last : null;
  const findingsOf = (report: ConsistencyReport) =>
    kindsIn(report)
      .map((kind) => `${kind} ${formats.number(report.findings[kind])}`)
      .join(', ') || words.inStep;
  return (
    <Card
      title={words.consistency}
      beside={
        <span className={s['buttons']}>
          <Button onClick={() => void order('check')}>{words.compare}</Button>
          <Button onClick={() => setAsking(true)}>{words.repair}</Button>
        </span>
      }
    >
      {error !== undefined && <Notice tone="bad">{problemText(error)}</Notice>}
      <OfSection section={consistency}>
        {({ waiting, running, last: shown }) => (
          <>
            {waiting !== null && <output>{words.waitingRun(waiting.requestedBy)}</output>}
            {running !== null && <Running run={running} />}
            {shown === null ? <p className={s['soft']}>{words.neverRun}</p> : <Last run={shown} />}
          </>
        )}
      </OfSection>
      <Dialog title={words.repairTitle} isOpen={isAsking} onClose={() => setAsking(false)}>
        <p>{words.repairWhat}</p>
        {last?.report != null && <p>{words.repairLast(findingsOf(last.report))}</p>}
        <Actions>
          <Button onClick={() => setAsking(false)}>{words.cancel}</Button>
          <Button look="primary" onClick={() => void order('repair')}>
            {words.repairNow}
          </Button>
        </Actions>
      </Dialog>
    </Card>
  );
}

function Running({ run }: { readonly run: ConsistencyRun }) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const text = words.runningRun(formats.number(run.report?.messagesChecked ?? 0));
  return (
    <div className={s['plan']}>
      <progress className={s['progress']} aria-label={words.consistency} />
      <output>{text}</output>
    </div>
  );
}

function Last({ run: { kind, requestedBy, finishedAt, report, failure } }: { readonly run: ConsistencyRun }) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const now = useNow();
  const ended = finishedAt === null ? '–' : formats.ago(finishedAt, now);
  if (failure !== null || report === null) {
    return (
      <>
        <p className={s['soft']}>{words.lastRun(words.runKinds[kind], requestedBy, ended)}</p>
        <Notice tone="bad">{words.runFailed(failure ?? '?')}</Notice>
      </>
    );
  }
  const kinds = kindsIn(report);
  const { messagesChecked, chunksChecked, pending, repaired, findings, examples } = report;
  const counts = [messagesChecked, chunksChecked, pending].map((count) => formats.number(count));
  return (
    <>
      <p className={s['buttons']}>
        <State level={kinds.length === 0 ? 'calm' : 'attention'}>{kinds.length === 0 ? words.inStep : words.outOfStep}</State>
        <span className={s['soft']}>{words.lastRun(words.runKinds[kind], requestedBy, ended)}</span>
      </p>
      <p>{words.compared(counts[0] ?? '', counts[1] ?? '', counts[2] ?? '')}</p>
      {kind === 'repair' && <p>{words.repaired(formats.number(repaired.ordered), formats.number(repaired.removed))}</p>}
      {kinds.length > 0 && (
        <Table
          label={words.consistency}
          columns={[{ head: words.finding }, { head: words.count, isNumber: true }, { head: words.meaning }, { head: words.examples }]}
          rows={kinds.map((finding) => ({
            key: finding,
            cells: [
              <strong key="kind">{finding}</strong>,
              formats.number(findings[finding]),
              words.findings[finding],
              <code key="examples">{examples[finding].slice(0, 3).join(' ')}</code>,
            ],
          }))}
        />
      )}
    </>
  );
}

const kindsIn = ({ findings }: ConsistencyReport): FindingKind[] =>
  (Object.keys(findings) as FindingKind[]).filter((kind) => findings[kind] > 0);
