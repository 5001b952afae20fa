import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useLanguage } from '../../i18n/language.js';
import type { Message } from '#client/frames';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useStore } from '../../shared/store.js';
import { Button } from '../../shared/ui/button.js';
import type { Chat } from './chat.js';
import s from './chat.module.css';
import { ChangeDialog, type Wish } from './change-dialog.js';
import { MessageRow, PendingRow } from './message-row.js';
import { chatMessages } from './messages.js';
import { isAtStart, isAttached, type Shown, stillPending } from './timeline.js';

/** Pixels from an edge within which the next page is loaded. */
const NEAR = 400;
/** Pixels within which the reader counts as being at the newest message. */
const AT_END = 40;
/** Messages of one sender closer than this share a name. */
const GROUP_MS = 300_000;

/** The held messages (timeline.ts). What is read stays where it is on the screen while pages come and go around it. */
export function MessageList({
  chat,
  shown,
  targetSeq,
  onNewest,
}: {
  readonly chat: Chat;
  readonly shown: Shown;
  readonly targetSeq: number | undefined;
  readonly onNewest: () => void;
}) {
  const words = useMessages(chatMessages);
  const language = useLanguage();
  const formats = useFormats();
  const readBy = useStore(chat.readBy);
  const [wish, setWish] = useState<Wish>();
  const [isAtEnd, setAtEnd] = useState(targetSeq === undefined);
  const box = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  /** The first row in view, and where it was. */
  const anchor = useRef<{ readonly seq: string; readonly top: number }>(undefined);
  const target = useRef(targetSeq);
  const { messages } = shown;

  const look = useCallback(() => {
    const view = box.current;
    if (view === null) return;
    const below = view.scrollHeight - view.scrollTop - view.clientHeight;
    chat.open.stand(below < AT_END);
    setAtEnd(below < AT_END);
    anchor.current = anchorOf(view, list.current);
    if (view.scrollTop < NEAR) void chat.open.loadOlder();
    if (below < NEAR) void chat.open.loadNewer();
  }, [chat]);

  useLayoutEffect(() => {
    const view = box.current;
    if (view === null) return;
    const wanted = target.current === undefined ? undefined : rowOf(list.current, target.current);
    target.current = undefined;
    if (wanted !== undefined) wanted.scrollIntoView({ block: 'center' });
    else if (chat.open.isAtEnd) view.scrollTop = view.scrollHeight;
    else if (anchor.current !== undefined) {
      const row = rowOf(list.current, anchor.current.seq);
      if (row !== undefined) view.scrollTop += row.getBoundingClientRect().top - anchor.current.top;
    }
    look();
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- `shown` is what has just been drawn
  }, [chat, look, shown]);

  // The window or the panel beside it changes its size.
  useEffect(() => {
    const view = box.current;
    if (view === null) return undefined;
    const observer = new ResizeObserver(() => {
      if (chat.open.isAtEnd) view.scrollTop = view.scrollHeight;
    });
    observer.observe(view);
    return () => observer.disconnect();
  }, [chat]);

  const change = useCallback((kind: Wish['kind'], message: Message) => setWish({ kind, message }), []);
  const readers = readersBySeq(readBy, messages);
  const pending = stillPending(shown);
  const newer = shown.headSeq - (messages.at(-1)?.seq ?? 0);
  return (
    <div className={s['messages']}>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls has to be reached with the keyboard */}
      <div ref={box} className={s['scroll']} onScroll={look} tabIndex={0} role="region" aria-label={words.messages}>
        <p className={s['edge']}>{messages.length === 0 ? words.noMessages : isAtStart(shown) ? words.beginning : words.older}</p>
        <ol ref={list} className={s['rows']}>
          {messages.map((message, i) => {
            const before = messages[i - 1];
            return (
              <MessageRow
                key={message.id}
                message={message}
                isOwn={message.senderId === chat.userId}
                isFirst={!continues(before, message)}
                day={before === undefined || dayOf(before) !== dayOf(message) ? formats.day(message.createdAt) : undefined}
                isTarget={message.seq === targetSeq}
                readers={readers.get(message.seq)}
                language={language}
                onChange={change}
              />
            );
          })}
          {pending.map((each) => (
            <PendingRow key={each.clientMessageId} chat={chat} conversationId={shown.conversationId} pending={each} />
          ))}
        </ol>
      </div>
      {(!isAtEnd || !isAttached(shown)) && (
        <div className={s['toNewest']}>
          <Button
            onClick={() => {
              // An address that names a message would lead back to it.
              if (targetSeq !== undefined) onNewest();
              else if (!isAttached(shown)) void chat.open.showNewest();
              else {
                chat.open.stand(true);
                box.current?.scrollTo({ top: box.current.scrollHeight });
              }
            }}
          >
            {newer > 0 ? words.newer(newer) : words.toNewest} ↓
          </Button>
        </div>
      )}
      <ChangeDialog chat={chat} wish={wish} onClose={() => setWish(undefined)} />
    </div>
  );
}

const dayOf = ({ createdAt }: Message): string => new Date(createdAt).toDateString();

const continues = (before: Message | undefined, message: Message): boolean =>
  before !== undefined &&
  before.senderId === message.senderId &&
  dayOf(before) === dayOf(message) &&
  Date.parse(message.createdAt) - Date.parse(before.createdAt) < GROUP_MS;

const rowOf = (list: HTMLOListElement | null, seq: string | number): Element | undefined =>
  list?.querySelector(`:scope > [data-seq="${seq}"]`) ?? undefined;

/** The first row that is in view: halving, as rows are in order. */
function anchorOf(view: HTMLElement, list: HTMLOListElement | null): { seq: string; top: number } | undefined {
  const rows = list?.children;
  if (rows === undefined || rows.length === 0) return undefined;
  const edge = view.getBoundingClientRect().top;
  let [low, high] = [0, rows.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.getBoundingClientRect().bottom ?? 0) > edge) high = middle;
    else low = middle + 1;
  }
  const row = rows[low];
  const seq = row?.getAttribute('data-seq');
  return row === undefined || seq === null || seq === undefined ? undefined : { seq, top: row.getBoundingClientRect().top };
}

/** Under which message each reader stands: the last one that is shown of those that the reader has read. */
function readersBySeq(readBy: ReadonlyMap<string, number>, messages: readonly Message[]): ReadonlyMap<number, string> {
  const bySeq = new Map<number, string>();
  const last = messages.at(-1)?.seq ?? 0;
  for (const [userId, readSeq] of readBy) {
    const seq = Math.min(readSeq, last);
    const others = bySeq.get(seq);
    bySeq.set(seq, others === undefined ? userId : `${others}, ${userId}`);
  }
  return bySeq;
}
