import { setTimeout as sleep } from 'node:timers/promises';
import type { ScoreFrame } from '#client/frames';
import { SuggestionView } from '#lib/contracts/activities';
import { pipeline } from '#lib/contracts/pipeline';
import {
  type ConversationEnd,
  ConversationEndView,
  FriendshipHistory,
  FriendshipStatusView,
  type ScoreChangeView,
} from '#lib/contracts/scores';
import { type ParleyClient, persistently, RefusedByParley } from '#lib/testing/parley-client';
import type { Person } from './play.js';

/** What became of the conversation once its host ended it. Times in milliseconds. */
export interface PlayedEnd {
  readonly user: string;
  readonly eventId: string;
  /** From the request to its 202. */
  readonly ackMs: number;
  /** The user's friendship before the end. */
  readonly before: FriendshipStatusView;
  /** The `score.updated` that came over the user's socket; null: none came in time. */
  readonly frame: ScoreFrame | null;
  /** From the 202 to that frame. */
  readonly scoredMs: number | null;
  /** The line of the user's history; null: there is none for this conversation. */
  readonly change: ScoreChangeView | null;
  readonly suggestion: SuggestionView;
}

/** Told while the score is waited for. */
export type WhileWaiting = (waitedMs: number, givesUpAfterMs: number) => void;

/** An analysis by rules takes less than a second, and a process that is starting some more. */
const BY_RULES_MS = 30_000;
/** A language model may use all the time that one run has, and the frame comes after it. */
const BY_MODEL_MS = pipeline['scoring.conversations'].deadlineMs + BY_RULES_MS;
const SAY_EVERY_MS = 5_000;

/**
 * Ends a conversation as one of its members, without a log: its messages are the log. Waits for the score on the member's socket, then asks
 * for the history and for what to do next. What does not come in time is null.
 */
export async function endConversation(
  { name, rest, live }: Person,
  end: Pick<ConversationEnd, 'conversationId' | 'startTime' | 'endTime'>,
  { isByModel, waiting }: { readonly isByModel: boolean; readonly waiting: WhileWaiting },
): Promise<PlayedEnd> {
  const before = FriendshipStatusView.parse(await answerOf(rest, 'GET', `/v1/friendship_status/${name}`));
  const heard = new Promise<{ frame: ScoreFrame; at: number }>((resolve) => {
    live.socket.on('score', (frame) => {
      if (frame.conversationId === end.conversationId) resolve({ frame, at: performance.now() });
    });
  });
  const startedAt = performance.now();
  const { eventId } = ConversationEndView.parse(await answerOf(rest, 'POST', '/v1/conversations/end', { ...end, userId: name }));
  const ackedAt = performance.now();
  const score = await waitedFor(heard, isByModel ? BY_MODEL_MS : BY_RULES_MS, waiting);
  const history = FriendshipHistory.parse(await answerOf(rest, 'GET', `/v1/friendship_status/${name}/history?limit=20`));
  const change = history.items.find(({ conversationId }) => conversationId === end.conversationId) ?? null;
  const suggestion = SuggestionView.parse(await answerOf(rest, 'POST', '/v1/activities/suggest', { userId: name }));
  const scoredMs = score === undefined ? null : Math.max(0, score.at - ackedAt);
  return { user: name, eventId, ackMs: ackedAt - startedAt, before, frame: score?.frame ?? null, scoredMs, change, suggestion };
}

/** Whether every stage came: a score that is counted, told over the socket, and in the history. */
export const isScored = ({ frame, change }: PlayedEnd): boolean => frame !== null && !frame.degraded && change !== null;

/** Says from time to time that it still waits. @returns undefined when nothing comes in time. */
async function waitedFor<T>(coming: Promise<T>, timeoutMs: number, waiting: WhileWaiting): Promise<T | undefined> {
  const startedAt = performance.now();
  for (;;) {
    const leftMs = startedAt + timeoutMs - performance.now();
    if (leftMs <= 0) return undefined;
    const nothing = new AbortController();
    const pause = sleep(Math.min(SAY_EVERY_MS, leftMs), undefined, { signal: nothing.signal }).catch(() => undefined);
    const found = await Promise.race([coming, pause]);
    nothing.abort();
    if (found !== undefined) return found;
    const waitedMs = performance.now() - startedAt;
    if (waitedMs < timeoutMs) waiting(waitedMs, timeoutMs);
  }
}

/** The body of an answer that is a success, asked for again while Parley is away or busy: each of these requests may be repeated. */
async function answerOf(rest: ParleyClient, method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
  return persistently(async () => {
    const answer = await rest.request(method, path, body);
    if (answer.status >= 400) throw new RefusedByParley(answer, `${method} ${path}`);
    return answer.body;
  });
}
