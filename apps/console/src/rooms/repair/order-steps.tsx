import type { DeadLetterOutcome } from '#lib/contracts/admin';
import type { LiveQueue } from '#lib/contracts/admin-live';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { Button } from '../../shared/ui/button.js';
import { Actions } from '../../shared/ui/dialog.js';
import { Notice } from '../../shared/ui/notice.js';
import { repairMessages } from './messages.js';
import s from './repair.module.css';
import type { Progress } from './run-order.js';

/** What may be done to dead letters. */
export type Deed = 'replay' | 'discard';

/** Where an order is: asking -> planned -> running -> ended, or failed before anything was done. */
export type Step =
  | { readonly kind: 'asking' }
  | { readonly kind: 'planned'; readonly plans: readonly DeadLetterOutcome[]; readonly force: boolean }
  | { readonly kind: 'running'; readonly total: number; readonly progress: readonly Progress[] }
  | { readonly kind: 'ended'; readonly total: number; readonly progress: readonly Progress[]; readonly error?: unknown }
  | { readonly kind: 'failed'; readonly error: unknown };

/** What would be done with the letters of one queue. */
export function Plan({
  deed,
  plan,
  queue,
}: {
  readonly deed: Deed;
  readonly plan: DeadLetterOutcome;
  readonly queue: LiveQueue | undefined;
}) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const { done, refused, refusedCount, notFound } = plan;
  return (
    <div className={s['plan']}>
      {done > 0 && (
        <p>
          <strong>
            {deed === 'replay' ? words.wouldReplay(formats.number(done), plan.queue) : words.wouldDiscard(formats.number(done), plan.queue)}
          </strong>
        </p>
      )}
      {deed === 'replay' && done > 0 && queue !== undefined && <QueueNote queue={queue} />}
      {refusedCount > 0 && (
        <>
          <p>{words.wouldRefuse(formats.number(refusedCount))}</p>
          <ul>
            {refused.map(({ id, reason }) => (
              <li key={id}>
                <code>{id}</code> <span className={s['soft']}>{reason}</span>
              </li>
            ))}
          </ul>
        </>
      )}
      {notFound.length > 0 && <p>{words.missing(formats.number(notFound.length))}</p>}
    </div>
  );
}

/** What awaits them in their queue. */
function QueueNote({ queue: { paused, pausedSince, consumers } }: { readonly queue: LiveQueue }) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  if (paused === true) return <Notice tone="warn">{words.queuePaused(pausedSince === null ? '?' : formats.seconds(pausedSince))}</Notice>;
  if (consumers === 0) return <Notice tone="warn">{words.queueUnread}</Notice>;
  return consumers === null ? null : <p className={s['soft']}>{words.queueRuns(formats.number(consumers))}</p>;
}

/** How far it is. */
export function Running({
  step: { total, progress },
  onStop,
}: {
  readonly step: Extract<Step, { kind: 'running' }>;
  readonly onStop: () => void;
}) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const done = progress.reduce((sum, each) => sum + each.done, 0);
  const text = words.running(formats.number(done), formats.number(total));
  return (
    <div className={s['plan']}>
      <progress className={s['progress']} value={done} max={total} aria-label={text} />
      <output>{text}</output>
      <Actions>
        <Button onClick={onStop}>{words.stop}</Button>
      </Actions>
    </div>
  );
}

/** What became of it. */
export function Ended({
  deed,
  step: { total, progress, error },
  diedAgain,
  onClose,
}: {
  readonly deed: Deed;
  readonly step: Extract<Step, { kind: 'ended' }>;
  readonly diedAgain: number;
  readonly onClose: () => void;
}) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const problemText = useProblemText();
  const done = progress.reduce((sum, each) => sum + each.done, 0);
  const refused = progress.flatMap((each) => each.refused);
  const missing = progress.flatMap(({ notFound }) => notFound).length;
  const stoppedBy = progress.find((each) => each.stoppedBy !== undefined)?.stoppedBy;
  const isWhole = error === undefined && stoppedBy === undefined && done === total;
  const said =
    deed === 'replay'
      ? words.replayed(formats.number(done), formats.number(total))
      : words.discarded(formats.number(done), formats.number(total));
  return (
    <div className={s['plan']}>
      <Notice tone={isWhole ? 'good' : 'warn'}>{said}</Notice>
      {error !== undefined && (
        <Notice tone="bad">
          {words.failed} {problemText(error)}
        </Notice>
      )}
      {stoppedBy !== undefined && <p>{stoppedBy === 'stopped' ? words.stopped : words.stoppedBy(stoppedBy)}</p>}
      {refused.length > 0 && (
        <>
          <p>{words.wouldRefuse(formats.number(refused.length))}</p>
          <ul>
            {refused.map(({ id, reason }) => (
              <li key={id}>
                <code>{id}</code> {reason}
              </li>
            ))}
          </ul>
        </>
      )}
      {missing > 0 && <p>{words.missing(formats.number(missing))}</p>}
      {deed === 'replay' && done > 0 && (
        <p>
          {diedAgain > 0 ? (
            <strong>{words.diedAgain(formats.number(diedAgain))}</strong>
          ) : (
            <span className={s['soft']}>{words.noneDied}</span>
          )}
        </p>
      )}
      <Actions>
        <Button onClick={onClose} look="primary">
          {words.close}
        </Button>
      </Actions>
    </div>
  );
}
