import { type FormEvent, useEffect, useState } from 'react';
import type { LiveMessage, MessageTrace, MessagesSection, TraceStep } from '#lib/contracts/admin-live';
import { useParams } from 'wouter';
import type { z } from 'zod';
import { useApi } from '../../app/api.js';
import { useMessages } from '../../i18n/messages.js';
import { ApiError, isAborted } from '../../shared/api.js';
import { useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { Button } from '../../shared/ui/button.js';
import { Field, Input } from '../../shared/ui/field.js';
import { Notice } from '../../shared/ui/notice.js';
import { liveMessages } from '../live/messages.js';
import { Card, OfSection } from '../live/room.js';
import { SignShape } from '../live/sign.js';
import { pipelineMessages } from './messages.js';
import type { Level } from './node-state.js';
import s from './pipeline.module.css';

type Messages = z.infer<typeof MessagesSection>;

interface FollowProps {
  readonly messages: Messages | undefined;
  /** Told the steps of the way that is shown. */
  readonly onSteps: (steps: readonly TraceStep[]) => void;
}

/** The newest messages, and the way of the one that is chosen or that the address names. */
export function Follow(props: FollowProps) {
  const linked = useParams<{ '*'?: string }>()['*'] ?? '';
  return <Following key={linked} linked={linked} {...props} />;
}

function Following({ linked, messages, onSteps }: FollowProps & { readonly linked: string }) {
  const words = useMessages(pipelineMessages);
  const [{ id, turn }, setAsked] = useState<{ readonly id?: string; readonly turn: number }>(
    linked === '' ? { turn: 0 } : { id: linked, turn: 0 },
  );
  // The same one again is read again.
  const follow = (wanted: string) => setAsked({ id: wanted, turn: turn + 1 });
  // Nothing is followed any more: no node is on its way.
  useEffect(() => () => onSteps([]), [onSteps]);
  const items = messages?.state === 'known' ? messages.items : [];
  const chosen = items.find((message) => message.id === id);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const entered = new FormData(event.currentTarget).get('id');
    if (typeof entered === 'string' && entered.trim() !== '') follow(entered.trim());
  };
  return (
    <Card title={words.follow}>
      <div className={s['follow']}>
        <div className={s['newest']}>
          <form className={s['lookup']} onSubmit={submit}>
            <Field label={words.followId} name="id">
              <Input autoComplete="off" spellCheck={false} />
            </Field>
            <Button type="submit">{words.followIt}</Button>
          </form>
          <h3>{words.newest}</h3>
          <OfSection section={messages}>
            {({ items: shown }) =>
              shown.length === 0 ? (
                <p className={s['soft']}>{words.noMessages}</p>
              ) : (
                <ul className={s['messages']}>
                  {shown.map((message) => (
                    <li key={message.id}>
                      <MessageButton message={message} isChosen={message.id === id} onChoose={() => follow(message.id)} />
                    </li>
                  ))}
                </ul>
              )
            }
          </OfSection>
        </div>
        <div className={s['way']}>
          {id === undefined ? (
            <p className={s['soft']}>{words.pickOne}</p>
          ) : (
            // A stage that ends makes the way longer: it is read again when the stream says so.
            <Way
              id={id}
              version={`${turn} ${chosen === undefined ? '' : Object.values(chosen.pipeline).join()}`}
              onRetry={() => follow(id)}
              onSteps={onSteps}
            />
          )}
        </div>
      </div>
    </Card>
  );
}

const signOf = (outcome: string, isFailed: boolean): { level: Level; as?: 'waiting' } => {
  if (isFailed) return { level: 'bad' };
  return outcome === 'waiting' ? { level: 'unknown', as: 'waiting' } : { level: 'calm' };
};

const levelOf = { pending: 'unknown', done: 'calm', failed: 'bad', skipped: 'unknown' } as const;

function MessageButton({
  message: { id, conversationId, seq, createdAt, pipeline },
  isChosen,
  onChoose,
}: {
  readonly message: LiveMessage;
  readonly isChosen: boolean;
  readonly onChoose: () => void;
}) {
  const words = useMessages(pipelineMessages);
  const formats = useFormats();
  const stages = (['delivery', 'embedding', 'scoring'] as const).map((stage) => {
    const state = pipeline[stage];
    return { stage, state, text: state === 'done' ? words.stages[stage] : `${words.stages[stage]}: ${words.stageStates[state]}` };
  });
  return (
    <button type="button" className={s['message']} aria-pressed={isChosen} onClick={onChoose} data-message={id}>
      <span className={s['moment']}>{formats.seconds(createdAt)}</span>
      <code>…{id.slice(-8)}</code>
      <span className={s['soft']} title={`${words.conversation} ${conversationId}`}>
        …{conversationId.slice(-6)} · {words.number} {formats.number(seq)}
      </span>
      <span className={s['stages']}>
        {stages.map(({ stage, state, text }) => (
          // oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- an <img> cannot have the colour of the text
          <svg key={stage} viewBox="0 0 16 16" width="16" height="16" role="img" aria-label={text}>
            <title>{text}</title>
            <SignShape level={levelOf[state]} {...(state === 'pending' ? { as: 'waiting' } : {})} />
          </svg>
        ))}
      </span>
    </button>
  );
}

function Way({
  id,
  version,
  onRetry,
  onSteps,
}: {
  readonly id: string;
  /** Another one: there is more to read. */
  readonly version: string;
  readonly onRetry: () => void;
  readonly onSteps: (steps: readonly TraceStep[]) => void;
}) {
  const words = useMessages(pipelineMessages);
  const live = useMessages(liveMessages);
  const problemText = useProblemText();
  const api = useApi();
  const [found, setFound] = useState<{ readonly id: string; readonly trace?: MessageTrace; readonly error?: unknown }>();
  useEffect(() => {
    const asking = new AbortController();
    const ask = async () => {
      try {
        const trace = await api.ask<MessageTrace>(`./v1/admin/traces/${encodeURIComponent(id)}`, { signal: asking.signal });
        setFound({ id, trace });
        onSteps(trace.steps);
      } catch (error) {
        if (isAborted(error)) return;
        setFound({ id, error });
        onSteps([]);
      }
    };
    void ask();
    return () => asking.abort();
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- a stage has ended: there is more to read
  }, [api, id, version, onSteps]);
  return (
    <>
      <h3>{words.way(id)}</h3>
      {found?.id !== id ? (
        <p className={s['soft']}>{live.sectionComing}</p>
      ) : found.trace === undefined ? (
        <>
          <Notice tone="bad">
            {found.error instanceof ApiError && found.error.code === 'not-found' ? words.notFound : problemText(found.error)}
          </Notice>
          <div>
            <Button onClick={onRetry}>{live.retry}</Button>
          </div>
        </>
      ) : (
        <Steps trace={found.trace} />
      )}
    </>
  );
}

function Steps({ trace: { steps, missing } }: { readonly trace: MessageTrace }) {
  const words = useMessages(pipelineMessages);
  const formats = useFormats();
  const begin = Math.min(...steps.map(({ at }) => Date.parse(at)));
  const end = Math.max(...steps.map(({ at, durationMs }) => Date.parse(at) + (durationMs ?? 0)));
  const length = Math.max(1, end - begin);
  return (
    <>
      {steps.length === 0 ? (
        <p className={s['soft']}>{words.noSteps}</p>
      ) : (
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls has to take the focus (WCAG 2.1.1)
        <div className={s['scroll']} tabIndex={0}>
          <table className={s['steps']} aria-label={words.follow}>
            <thead>
              <tr>
                <th scope="col">{words.after}</th>
                <th scope="col">{words.where}</th>
                <th scope="col">{words.step}</th>
                <th scope="col">{words.took}</th>
                <th scope="col">{words.outcome}</th>
              </tr>
            </thead>
            <tbody>
              {steps.map(({ depth, who, what, at, durationMs, outcome, isFailed }, i) => {
                const start = Date.parse(at) - begin;
                return (
                  // oxlint-disable-next-line react/no-array-index-key -- steps have no name of their own, and two may be alike
                  <tr key={i} data-failed={isFailed ? '' : undefined}>
                    <td className={s['moment']} title={formats.full(at)}>
                      +{formats.duration(start)}
                    </td>
                    <td>{who}</td>
                    <td style={{ paddingInlineStart: 10 + depth * 14 }}>
                      {depth > 0 && <span aria-hidden>└ </span>}
                      {what}
                      <svg className={s['span']} width="100%" height="4" aria-hidden>
                        <rect
                          x={`${(start / length) * 100}%`}
                          width={`${Math.max(0.5, ((durationMs ?? 0) / length) * 100)}%`}
                          height="4"
                          rx="2"
                        />
                      </svg>
                    </td>
                    <td className={s['moment']}>{durationMs === null ? '–' : formats.duration(durationMs)}</td>
                    <td>
                      <span className={s['outcome']}>
                        <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden>
                          <SignShape {...signOf(outcome, isFailed)} />
                        </svg>
                        {outcome}
                      </span>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {missing.length > 0 && (
        <details className={s['missing']}>
          <summary>{words.notKnown}</summary>
          <ul>
            {missing.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}
