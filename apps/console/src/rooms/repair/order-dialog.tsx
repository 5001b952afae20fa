import { type FormEvent, useEffect, useRef, useState } from 'react';
import type { DeadLetter, DeadLetterOutcome } from '#lib/contracts/admin';
import type { LiveQueue } from '#lib/contracts/admin-live';
import { useApi } from '../../app/api.js';
import { useMessages } from '../../i18n/messages.js';
import type { Api } from '../../shared/api.js';
import { isAborted } from '../../shared/api.js';
import { useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { Button } from '../../shared/ui/button.js';
import { Actions, Dialog } from '../../shared/ui/dialog.js';
import { Field, Input } from '../../shared/ui/field.js';
import { Notice } from '../../shared/ui/notice.js';
import { keyOf } from './letters.js';
import { repairMessages } from './messages.js';
import s from './repair.module.css';
import { type Deed, Ended, Plan, Running, type Step } from './order-steps.js';
import { type Order, type Progress, runOrder } from './run-order.js';

/** What was replayed, by its key with how often it had been before: a dead letter with more replays has died again. */
export type Replayed = ReadonlyMap<string, number>;

/** One request works for at most 20 s (`POST /v1/admin/dead-letters/replay`). */
const TIMEOUT_MS = 30_000;

const send = (api: Api, deed: Deed, order: Order & { readonly dryRun: boolean }, signal?: AbortSignal) => {
  const { queue, ids, ratePerSecond, force = false, dryRun } = order;
  return api.ask<DeadLetterOutcome>(`./v1/admin/dead-letters/${deed}`, {
    method: 'POST',
    body: { queue, ids, dryRun, ...(deed === 'replay' ? { force } : {}), ...(ratePerSecond === undefined ? {} : { ratePerSecond }) },
    timeoutMs: TIMEOUT_MS,
    ...(signal === undefined ? {} : { signal }),
  });
};

/** Says what would be done, asks, does it with progress, and says what became of it. */
export function OrderDialog({
  deed,
  letters,
  queues,
  diedAgain,
  onReplayed,
  onEnded,
  onClose,
}: {
  readonly deed: Deed;
  readonly letters: readonly DeadLetter[];
  readonly queues: readonly LiveQueue[];
  /** Of what was replayed here: how many are dead letters again. */
  readonly diedAgain: number;
  readonly onReplayed: (replayed: Replayed) => void;
  /** It has done what it could: there is something new to read. */
  readonly onEnded: () => void;
  readonly onClose: () => void;
}) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const problemText = useProblemText();
  const api = useApi();
  const [force, setForce] = useState(false);
  const [rate, setRate] = useState('');
  const [step, setStep] = useState<Step>({ kind: 'asking' });
  const stop = useRef<AbortController>(undefined);

  useEffect(() => {
    const asking = new AbortController();
    const orders = [...Map.groupBy(letters, ({ queue }) => queue)].map(([queue, own]) => ({ queue, ids: own.map(({ id }) => id) }));
    const ask = async () => {
      try {
        const plans = await Promise.all(orders.map((order) => send(api, deed, { ...order, force, dryRun: true }, asking.signal)));
        setStep({ kind: 'planned', plans, force });
      } catch (error) {
        if (!isAborted(error)) setStep({ kind: 'failed', error });
      }
    };
    void ask();
    return () => asking.abort();
  }, [api, deed, letters, force]);
  // A room that is left, or a session that ends, leaves no order behind that nothing can stop.
  useEffect(() => () => stop.current?.abort(), []);

  const count = formats.number(letters.length);
  const plans = step.kind === 'planned' ? step.plans : [];
  // Another plan is on its way: what is shown is not what would be done.
  const isAsking = step.kind === 'planned' && step.force !== force;
  const total = plans.reduce((sum, { done }) => sum + done, 0);
  const ratePerSecond = Number(rate) > 0 ? Number(rate) : undefined;

  const execute = async (event: FormEvent) => {
    event.preventDefault();
    const stopping = new AbortController();
    stop.current = stopping;
    const ended: Progress[] = [];
    let current: Progress | undefined;
    const show = () => setStep({ kind: 'running', total, progress: current === undefined ? [...ended] : [...ended, current] });
    show();
    if (deed === 'replay') onReplayed(new Map(plans.flatMap(({ items }) => items.map((letter) => [keyOf(letter), letter.replays]))));
    try {
      for (const { queue, items } of plans) {
        if (items.length === 0) continue;
        const order: Order = { queue, ids: items.map(({ id }) => id), force, ratePerSecond };
        const progress = await runOrder(
          order,
          (slice) => send(api, deed, { ...slice, dryRun: false }),
          (told) => {
            current = told;
            show();
          },
          stopping.signal,
        );
        ended.push(progress);
        current = undefined;
        if (progress.stoppedBy !== undefined) break;
      }
      setStep({ kind: 'ended', total, progress: ended });
    } catch (error) {
      setStep({ kind: 'ended', total, progress: current === undefined ? ended : [...ended, current], error });
    }
    onEnded();
  };

  // A click beside the dialog stops what runs, and then says how far it came.
  const close = () => (step.kind === 'running' ? stop.current?.abort() : onClose());
  return (
    <Dialog title={deed === 'replay' ? words.replayTitle(count) : words.discardTitle(count)} isOpen onClose={close}>
      {step.kind === 'asking' && <p className={s['soft']}>{words.looking}</p>}
      {step.kind === 'failed' && <Notice tone="bad">{problemText(step.error)}</Notice>}
      {step.kind === 'planned' && (
        <form className={s['plan']} onSubmit={(event) => void execute(event)}>
          {plans.map((plan) => (
            <Plan key={plan.queue} deed={deed} plan={plan} queue={queues.find(({ name }) => name === plan.queue)} />
          ))}
          {total === 0 && <p>{words.nothingToDo}</p>}
          {deed === 'replay' && (
            <>
              {(force || plans.some(({ refusedCount }) => refusedCount > 0)) && (
                <label className={s['check']}>
                  <input type="checkbox" checked={force} onChange={({ target }) => setForce(target.checked)} />
                  {words.force}
                </label>
              )}
              <Field label={words.rate} name="rate">
                <Input
                  type="number"
                  min={0.01}
                  max={10_000}
                  step="any"
                  value={rate}
                  onChange={(event) => setRate(event.currentTarget.value)}
                />
              </Field>
              {ratePerSecond !== undefined && total > 1 && (
                <p className={s['soft']}>{words.takes(formats.duration(Math.round((total - 1) / ratePerSecond) * 1_000))}</p>
              )}
            </>
          )}
          <Actions>
            <Button onClick={close}>{words.cancel}</Button>
            {total > 0 && (
              <Button type="submit" look={deed === 'replay' ? 'primary' : 'danger'} disabled={isAsking}>
                {deed === 'replay' ? words.replayNow(formats.number(total)) : words.discardNow(formats.number(total))}
              </Button>
            )}
          </Actions>
        </form>
      )}
      {step.kind === 'running' && <Running step={step} onStop={() => stop.current?.abort()} />}
      {step.kind === 'ended' && <Ended deed={deed} step={step} diedAgain={diedAgain} onClose={close} />}
      {step.kind === 'failed' && (
        <Actions>
          <Button onClick={close}>{words.close}</Button>
        </Actions>
      )}
    </Dialog>
  );
}
