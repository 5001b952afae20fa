import { memo, useState } from 'react';
import type { Message } from '#client/frames';
import type { Language } from '../../i18n/language.js';
import { useMessages } from '../../i18n/messages.js';
import { formatsIn, useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { useStore } from '../../shared/store.js';
import { Button } from '../../shared/ui/button.js';
import type { Chat } from './chat.js';
import s from './chat.module.css';
import { chatMessages } from './messages.js';
import { Stages } from './stages.js';
import type { Pending } from './timeline.js';

/** UTF-16 units of a message that are shown before it is asked for in full. */
const CUT = 1_200;

/** One message. Rendered again only when it changes: a burst renders what is new. */
export const MessageRow = memo(function MessageRow({
  message,
  isOwn,
  isFirst,
  day,
  isTarget,
  readers,
  language,
  onChange,
}: {
  readonly message: Message;
  readonly isOwn: boolean;
  /** Of several of one sender in a row. */
  readonly isFirst: boolean;
  /** Where a new day begins. */
  readonly day: string | undefined;
  readonly isTarget: boolean;
  readonly readers: string | undefined;
  readonly language: Language;
  readonly onChange: (kind: 'edit' | 'remove', message: Message) => void;
}) {
  const words = useMessages(chatMessages);
  const formats = formatsIn(language);
  const isDeleted = message.deletedAt !== undefined;
  return (
    <li className={s['row']} data-seq={message.seq} data-own={isOwn || undefined} data-target={isTarget || undefined}>
      {day !== undefined && (
        <div className={s['day']} data-time>
          {day}
        </div>
      )}
      {isFirst && !isOwn && (
        <div className={s['sender']}>
          <bdi>{message.senderId}</bdi>
        </div>
      )}
      {isFirst && isOwn && <span className="visually-hidden">{words.you}</span>}
      <div className={s['bubble']}>{isDeleted ? <em className={s['gone']}>{words.deleted}</em> : <Content text={message.content} />}</div>
      <div className={s['meta']}>
        <time dateTime={message.createdAt} title={formats.full(message.createdAt)} data-time>
          {formats.time(message.createdAt)}
        </time>
        {message.editedAt !== undefined && !isDeleted && <span>{words.edited}</span>}
        {!isDeleted && <Stages pipeline={message.pipeline} />}
        {isOwn && !isDeleted && (
          <span className={s['tools']}>
            <button type="button" className={s['tool']} onClick={() => onChange('edit', message)}>
              {words.edit}
            </button>
            <button type="button" className={s['tool']} onClick={() => onChange('remove', message)}>
              {words.remove}
            </button>
          </span>
        )}
      </div>
      {readers !== undefined && (
        <div className={s['readers']}>
          <bdi>{words.readBy(readers)}</bdi>
        </div>
      )}
    </li>
  );
});

/** Text and nothing else, in its own direction. */
function Content({ text }: { readonly text: string }) {
  const words = useMessages(chatMessages);
  const formats = useFormats();
  const [isWhole, setWhole] = useState(false);
  const isCut = text.length > CUT && !isWhole;
  return (
    <>
      <p className={s['content']} dir="auto">
        {isCut ? `${begin(text)} …` : text}
      </p>
      {isCut && (
        <button type="button" className={s['tool']} onClick={() => setWhole(true)}>
          {words.showAll(formats.number(text.length))}
        </button>
      )}
    </>
  );
}

/** Not between the halves of a character beyond 16 bits. */
const begin = (text: string): string => text.slice(0, CUT).replace(/[\ud800-\udbff]$/, '');

/** A message on its way: as it will look, with what holds it up. */
export function PendingRow({
  chat,
  conversationId,
  pending,
}: {
  readonly chat: Chat;
  readonly conversationId: string;
  readonly pending: Pending;
}) {
  const words = useMessages(chatMessages);
  const problemText = useProblemText();
  const isLive = useStore(chat.connection).state === 'live';
  return (
    <li className={s['row']} data-own data-pending>
      <div className={s['bubble']}>
        <Content text={pending.content} />
      </div>
      <div className={s['meta']}>
        {pending.state === 'sent' && <span>{words.stages.sent}</span>}
        {pending.state === 'sending' && <span>{isLive ? words.sending : words.waiting}</span>}
        {pending.state === 'failed' && (
          <span className={s['failed']} role="alert">
            {words.failed} {problemText(pending.error)}
            <Button onClick={() => chat.sendAgain(conversationId, pending)}>{words.again}</Button>
            <Button look="quiet" onClick={() => chat.discard(conversationId, pending)}>
              {words.discard}
            </Button>
          </span>
        )}
      </div>
    </li>
  );
}
