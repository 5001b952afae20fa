import { useEffect, useState } from 'react';
import type { SuggestionView } from '#lib/contracts/activities';
import type { ConversationView } from '#lib/contracts/http';
import type { ConversationEndView, FriendshipStatusView, FriendshipHistory } from '#lib/contracts/scores';
import { useLanguage } from '../../i18n/language.js';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { Button } from '../../shared/ui/button.js';
import { Badge, Notice } from '../../shared/ui/notice.js';
import type { Api } from '../../shared/api.js';
import { useStore } from '../../shared/store.js';
import type { Chat, Scored } from './chat.js';
import s from './chat.module.css';
import { chatMessages } from './messages.js';

// An end, step by step:
//
//   idle ── End conversation ──▶ accepted (202) ── score.updated over the socket, or asked for ──▶ scored ── suggestion ──▶ done

interface Ended {
  /** Version of the score before the end. */
  readonly before: number;
  readonly isAccepted: boolean;
  readonly scored?: Scored;
  readonly reasons?: readonly string[];
  readonly suggestion?: SuggestionView;
  readonly isLate?: boolean;
  readonly error?: unknown;
}

/** A score comes within a second; a message over the socket may be missed, so it is asked for too, each time after a longer pause. */
const ASK_AFTER_MS = [3_000, 5_000, 10_000, 20_000, 40_000];

/** Ends the conversation and shows score, level and suggestion as they arrive. */
export function EndTab({ chat, conversationId }: { readonly chat: Chat; readonly conversationId: string }) {
  const words = useMessages(chatMessages);
  const formats = useFormats();
  const problemText = useProblemText();
  const language = useLanguage();
  const [ended, setEnded] = useState<Ended>();
  const live = useStore(chat.scored);
  const { api, userId } = chat;

  const end = async () => {
    chat.scored.set(undefined);
    setEnded({ before: 0, isAccepted: false });
    try {
      const [{ version: before }, { createdAt }] = await Promise.all([
        statusOf(api, userId),
        api.ask<ConversationView>(`./v1/conversations/${conversationId}`),
      ]);
      await api.ask<ConversationEndView>('./v1/conversations/end', {
        method: 'POST',
        body: {
          conversationId,
          userId,
          startTime: createdAt,
          endTime: new Date(Math.max(Date.now(), Date.parse(createdAt))).toISOString(),
        },
      });
      setEnded({ before, isAccepted: true });
    } catch (error) {
      setEnded({ before: 0, isAccepted: false, error });
    }
  };

  const arrived = ended?.isAccepted === true && live?.conversationId === conversationId ? live : undefined;
  const scored = arrived ?? ended?.scored;
  const isWaiting = ended?.isAccepted === true && scored === undefined;
  const before = ended?.before ?? 0;
  useEffect(() => {
    if (!isWaiting) return undefined;
    const asking = new AbortController();
    const { signal } = asking;
    let turn = 0;
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      const found = await scoredSince(before, api, userId, signal).catch(() => undefined);
      if (signal.aborted) return;
      turn += 1;
      if (found !== undefined) setEnded((was) => was && { ...was, scored: { conversationId, ...found } });
      else if (turn >= ASK_AFTER_MS.length) setEnded((was) => was && { ...was, isLate: true });
      else timer = setTimeout(() => void ask(), ASK_AFTER_MS[turn]);
    };
    timer = setTimeout(() => void ask(), ASK_AFTER_MS[0]);
    return () => {
      asking.abort();
      clearTimeout(timer);
    };
  }, [api, userId, conversationId, isWaiting, before]);

  useEffect(() => {
    if (scored === undefined) return undefined;
    const asking = new AbortController();
    const { signal } = asking;
    void (async () => {
      // It stays, though the next score of the user is that of another conversation.
      setEnded((now) => now && { ...now, scored });
      const [history, suggestion] = await Promise.allSettled([
        newestChange(api, userId, signal),
        api.ask<SuggestionView>('./v1/activities/suggest', { method: 'POST', body: { userId, language }, signal }),
      ]);
      if (signal.aborted) return;
      setEnded(
        (now) =>
          now && {
            ...now,
            ...(history.status === 'fulfilled' ? { reasons: history.value?.reasons ?? [] } : {}),
            ...(suggestion.status === 'fulfilled' ? { suggestion: suggestion.value } : { error: suggestion.reason as unknown }),
          },
      );
    })();
    return () => asking.abort();
  }, [api, userId, scored, language]);

  const steps = words.endSteps;
  return (
    <>
      <p className={s['soft']}>{words.endLead}</p>
      <div>
        <Button
          look="primary"
          disabled={ended !== undefined && ended.error === undefined && scored === undefined}
          onClick={() => void end()}
        >
          {words.endNow}
        </Button>
      </div>
      {ended?.error !== undefined && <Notice tone="bad">{problemText(ended.error)}</Notice>}
      {ended?.isLate === true && scored === undefined && <Notice tone="warn">{words.unlikely}</Notice>}
      <ol className={s['steps']} aria-live="polite">
        {ended?.isAccepted === true && (
          <li className={s['step']} data-done>
            {steps.accepted}
          </li>
        )}
        {ended?.isAccepted === true && (
          <li className={s['step']} data-done={scored === undefined ? undefined : true}>
            <strong>{steps.scored}</strong>{' '}
            {scored === undefined ? (
              words.endWaiting
            ) : (
              <>
                <span className={s['score']}>{formats.number(scored.score)}</span>{' '}
                <Badge tone={scored.scoreChange === 0 ? 'plain' : scored.scoreChange < 0 ? 'bad' : 'good'}>
                  {words.change(signed(scored.scoreChange))}
                </Badge>
              </>
            )}
            {ended.reasons !== undefined && ended.reasons.length > 0 && <p className={s['soft']}>{ended.reasons.join(' · ')}</p>}
          </li>
        )}
        {scored !== undefined && (
          <li className={s['step']} data-done>
            <strong>{steps.level}</strong> <Badge tone="accent">{words.levels[scored.level]}</Badge>
            {scored.degraded && <Notice tone="warn">{words.scoreDegraded}</Notice>}
          </li>
        )}
        {ended?.suggestion !== undefined && (
          <li className={s['step']} data-done>
            <strong>{steps.suggestion}</strong>
            {ended.suggestion.greeting !== null && <p dir="auto">{ended.suggestion.greeting}</p>}
            <ul className={s['window']}>
              {ended.suggestion.candidates.map(({ agentId, reason, opener, weight }) => (
                <li key={agentId} className={s['windowItem']}>
                  <span className={s['windowHead']}>
                    <bdi>{agentId}</bdi> <Badge>{formats.percent(weight)}</Badge>
                  </span>
                  {opener !== null && <span dir="auto">{opener}</span>}
                  <span className={s['soft']} dir="auto">
                    {reason}
                  </span>
                </li>
              ))}
            </ul>
          </li>
        )}
      </ol>
    </>
  );
}

const pathOf = (userId: string): string => `./v1/friendship_status/${encodeURIComponent(userId)}`;

const statusOf = (api: Api, userId: string, signal?: AbortSignal) =>
  api.ask<FriendshipStatusView>(pathOf(userId), signal === undefined ? {} : { signal });

const newestChange = async (api: Api, userId: string, signal: AbortSignal) =>
  (await api.ask<FriendshipHistory>(`${pathOf(userId)}/history?limit=1`, { signal })).items[0];

/** The score, if it is newer than version `before`. @throws ApiError */
async function scoredSince(before: number, api: Api, userId: string, signal: AbortSignal) {
  const { version, score, level, degraded } = await statusOf(api, userId, signal);
  if (version <= before) return undefined;
  const change = await newestChange(api, userId, signal);
  return { scoreChange: change?.scoreChange ?? 0, score, level, degraded };
}

const signed = (value: number): string => (value > 0 ? `+${value}` : String(value));
