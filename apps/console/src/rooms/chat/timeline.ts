import type { Message } from '#client/frames';

// The messages of the open conversation that the page holds: a window without gaps, ascending by `seq`.
//
//   1 ............ first ═══════════ last ............ head
//        older ◀── load         load ──▶ newer
//
// `last` = head: attached, and what comes live is appended. A reader who has scrolled up keeps the place: when the window is full, it stops
// following and goes on by pages. Beyond MAX_HELD the far end is dropped, so that neither memory nor the page grows with the conversation.

/** Messages that are held, and so elements of the page: six pages of 50. */
export const MAX_HELD = 300;
/** Messages of one page. */
export const PAGE = 50;

/** A message of this user on its way. */
export interface Pending {
  readonly clientMessageId: string;
  readonly content: string;
  readonly at: number;
  readonly state: 'sending' | 'sent' | 'failed';
  /** Once it is stored. */
  readonly id?: string;
  readonly error?: unknown;
  /** The message that came live and looks like this one, before its acknowledgement: it is not shown twice meanwhile. */
  readonly claimed?: string;
}

/** What is shown of a conversation. */
export interface Shown {
  readonly conversationId: string;
  readonly messages: readonly Message[];
  readonly pending: readonly Pending[];
  readonly headSeq: number;
  readonly state: 'loading' | 'ready' | 'failed';
  readonly error?: unknown;
}

/** Nothing is older. */
export const isAtStart = ({ messages, headSeq }: Shown): boolean => (messages[0]?.seq ?? headSeq + 1) <= 1;
/** Nothing is newer. */
export const isAttached = ({ messages, headSeq }: Shown): boolean => (messages.at(-1)?.seq ?? 0) >= headSeq;
/** What has no message of its own in the window yet. */
export const stillPending = ({ pending }: Shown): readonly Pending[] => pending.filter(({ claimed }) => claimed === undefined);

export const emptyTimeline = (conversationId: string): Shown => ({
  conversationId,
  messages: [],
  pending: [],
  headSeq: 0,
  state: 'loading',
});

/** Begins anew with a page, the newest one or one in the middle. */
export function withPage(shown: Shown, messages: readonly Message[], headSeq: number): Shown {
  return withoutStored({ ...shown, messages, headSeq: Math.max(headSeq, shown.headSeq), state: 'ready' });
}

/** A message that a page has brought waits for its own frame no longer. */
function withoutStored(shown: Shown): Shown {
  const ids = new Set(shown.messages.map(({ id }) => id));
  const pending = shown.pending.filter(({ id }) => id === undefined || !ids.has(id));
  return pending.length === shown.pending.length ? shown : { ...shown, pending };
}

/** An older page before the first message. One that does not end there came too late. */
export function withOlder(shown: Shown, older: readonly Message[]): Shown {
  const first = shown.messages[0]?.seq;
  if (first === undefined || older.at(-1)?.seq !== first - 1) return shown;
  return { ...shown, messages: [...older, ...shown.messages].slice(0, MAX_HELD) };
}

/** A newer page after the last message. */
export function withNewer(shown: Shown, newer: readonly Message[], headSeq: number): Shown {
  const last = shown.messages.at(-1)?.seq ?? 0;
  const fresh = newer.filter(({ seq }) => seq > last);
  if (fresh.length > 0 && fresh[0]?.seq !== last + 1) return shown;
  return withoutStored({ ...shown, messages: [...shown.messages, ...fresh].slice(-MAX_HELD), headSeq: Math.max(headSeq, shown.headSeq) });
}

/** A message that came live. `follows`: its reader is at the newest message. */
export function withLive(shown: Shown, message: Message, follows: boolean, ownId: string): Shown {
  const wasAttached = isAttached(shown);
  const headSeq = Math.max(shown.headSeq, message.seq);
  const last = shown.messages.at(-1)?.seq ?? 0;
  if (shown.state !== 'ready' || message.seq <= last) return withChanged({ ...shown, headSeq }, message);
  if (!wasAttached || message.seq !== last + 1) return { ...shown, headSeq };
  if (!follows && shown.messages.length >= MAX_HELD) return { ...shown, headSeq };
  const messages = [...shown.messages, message].slice(-MAX_HELD);
  return { ...shown, messages, headSeq, pending: message.senderId === ownId ? claimedBy(shown.pending, message) : shown.pending };
}

function claimedBy(pending: readonly Pending[], { id, content }: Message): readonly Pending[] {
  if (pending.some((each) => each.id === id)) return pending.filter((each) => each.id !== id);
  const twin = pending.find((each) => each.id === undefined && each.claimed === undefined && each.content === content);
  return twin === undefined ? pending : pending.map((each) => (each === twin ? { ...each, claimed: id } : each));
}

/** A newer version of a message that is shown, or the same one further along its pipeline. */
export function withChanged(shown: Shown, message: Message): Shown {
  const first = shown.messages[0]?.seq ?? 0;
  const index = message.seq - first;
  const before = shown.messages[index];
  if (before?.id !== message.id || before.version > message.version) return shown;
  const merged = before.version === message.version ? { ...message, pipeline: furthest(before.pipeline, message.pipeline) } : message;
  return { ...shown, messages: shown.messages.with(index, merged) };
}

/** A stage that was seen done is done, whatever an older answer says. */
const furthest = (before: Message['pipeline'], after: Message['pipeline']): Message['pipeline'] => ({
  delivery: before.delivery === 'done' ? 'done' : after.delivery,
  embedding: before.embedding === 'done' ? 'done' : after.embedding,
  scoring: before.scoring === 'done' ? 'done' : after.scoring,
});

/** One stage of a message is done. */
export function withStage(shown: Shown, seq: number, stage: keyof Message['pipeline']): Shown {
  const index = seq - (shown.messages[0]?.seq ?? 0);
  const message = shown.messages[index];
  if (message === undefined || message.pipeline[stage] === 'done') return shown;
  return { ...shown, messages: shown.messages.with(index, { ...message, pipeline: { ...message.pipeline, [stage]: 'done' } }) };
}

export const withPending = (shown: Shown, pending: Pending): Shown => ({
  ...shown,
  pending: [...shown.pending.filter((each) => each.clientMessageId !== pending.clientMessageId), pending],
});

export const withoutPending = (shown: Shown, clientMessageId: string): Shown => ({
  ...shown,
  pending: shown.pending.filter((each) => each.clientMessageId !== clientMessageId),
});

/** Stored under `id`. It waits for its own frame unless that is here already. */
export function withAcknowledged(shown: Shown, clientMessageId: string, id: string): Shown {
  const found = shown.pending.find((each) => each.clientMessageId === clientMessageId);
  if (found === undefined) return shown;
  const isHere = shown.messages.some((message) => message.id === id);
  const others = shown.pending
    .filter((each) => each !== found)
    // It was the message of this one that another had claimed.
    .map((each) => (each.claimed === id ? released(each) : each));
  return { ...shown, pending: isHere ? others : [...others, { ...released(found), state: 'sent', id }] };
}

const released = ({ clientMessageId, content, at, state }: Pending): Pending => ({ clientMessageId, content, at, state });

export const withFailed = (shown: Shown, clientMessageId: string, error: unknown): Shown => ({
  ...shown,
  pending: shown.pending.map((each) => (each.clientMessageId === clientMessageId ? { ...each, state: 'failed', error } : each)),
});

/** Whether something of it is still on its way through the pipeline. */
export const isSettled = ({ pipeline }: Message): boolean =>
  pipeline.delivery !== 'pending' && pipeline.embedding !== 'pending' && pipeline.scoring !== 'pending';
