import { memo, type ReactNode, useId, useState } from 'react';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { useStore } from '../../shared/store.js';
import { Button } from '../../shared/ui/button.js';
import { Notice } from '../../shared/ui/notice.js';
import type { Chat } from './chat.js';
import s from './chat.module.css';
import { chatMessages } from './messages.js';
import { nameOf } from './names.js';
import { NewConversation } from './new-conversation.js';
import { SearchField, type SearchWish } from './search.js';
import type { Summary } from './summaries.js';

/** Conversations, newest activity first, with what is unread in each; or the hits of a search. */
export function ConversationList({
  chat,
  openId,
  search,
  onSearch,
  onOpen,
  hits,
}: {
  readonly chat: Chat;
  readonly openId: string | undefined;
  readonly search: SearchWish;
  readonly onSearch: (wish: SearchWish) => void;
  readonly onOpen: (id: string) => void;
  /** Shown instead of the conversations. */
  readonly hits: ReactNode | undefined;
}) {
  const words = useMessages(chatMessages);
  const problemText = useProblemText();
  const conversations = useStore(chat.list.shown);
  const error = useStore(chat.list.error);
  const online = useStore(chat.presence.online);
  const [isStarting, setStarting] = useState(false);
  const heading = useId();
  return (
    <>
      <SearchField wish={search} onChange={onSearch} canStayHere={openId !== undefined} />
      {hits ?? (
        <>
          <div className={s['sideHead']}>
            <h2 id={heading} className={s['sideTitle']}>
              {words.conversations}
            </h2>
            <Button onClick={() => setStarting(true)}>{words.start}</Button>
          </div>
          {error !== undefined && (
            <div className={s['sideNotice']}>
              <Notice tone="bad">{problemText(error)}</Notice>
              <Button onClick={() => void chat.list.load()}>{words.retry}</Button>
            </div>
          )}
          {conversations === undefined && error === undefined && <p className={s['soft']}>{words.loading}</p>}
          {conversations?.length === 0 && <p className={s['soft']}>{words.none}</p>}
          <ul className={s['list']} aria-labelledby={heading}>
            {conversations?.map((summary) => (
              <Entry
                key={summary.id}
                summary={summary}
                userId={chat.userId}
                isOpen={summary.id === openId}
                isOnline={summary.memberIds.some((member) => member !== chat.userId && online.has(member))}
              />
            ))}
          </ul>
          <Older chat={chat} />
        </>
      )}
      <NewConversation
        chat={chat}
        isOpen={isStarting}
        onClose={() => setStarting(false)}
        onCreated={(id) => {
          setStarting(false);
          onOpen(id);
        }}
      />
    </>
  );
}

/** Loads the next page of the list, as long as there is one. */
function Older({ chat }: { readonly chat: Chat }) {
  const words = useMessages(chatMessages);
  const problemText = useProblemText();
  const hasOlder = useStore(chat.list.hasOlder);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  if (!hasOlder) return null;
  const load = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await chat.list.loadOlder();
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  return (
    <div className={s['sideNotice']}>
      {error !== undefined && <Notice tone="bad">{problemText(error)}</Notice>}
      {/* Not disabled, so that it keeps the focus. */}
      <Button aria-busy={isBusy} onClick={() => void (isBusy || load())}>
        {isBusy ? words.loading : words.olderConversations}
      </Button>
    </div>
  );
}

/** Rendered again only when it changes: a message that arrives renders one of hundreds. */
const Entry = memo(function Entry({
  summary,
  userId,
  isOpen,
  isOnline,
}: {
  readonly summary: Summary;
  readonly userId: string;
  readonly isOpen: boolean;
  readonly isOnline: boolean;
}) {
  const words = useMessages(chatMessages);
  const formats = useFormats();
  const { id, lastMessage, unread } = summary;
  return (
    <li>
      <a href={`#/chat/${id}`} className={s['entry']} aria-current={isOpen ? 'true' : undefined}>
        <span className={s['entryName']}>
          <span className={s['presence']} data-online={isOnline || undefined} aria-hidden />
          <bdi>{nameOf(summary, userId, words)}</bdi>
        </span>
        <span className={s['entryTime']} data-time>
          {lastMessage === null ? '' : formats.moment(lastMessage.createdAt)}
        </span>
        <span className={s['entryText']}>
          {lastMessage === null ? (
            words.noMessages
          ) : (
            <>
              <bdi>{lastMessage.senderId === userId ? words.you : lastMessage.senderId}</bdi>:{' '}
              <bdi>{lastMessage.deletedAt === undefined ? lastMessage.content.slice(0, 120) : words.deleted}</bdi>
            </>
          )}
        </span>
        {unread > 0 && (
          <span className={s['unread']}>
            <span aria-hidden>{unread > 99 ? '99+' : unread}</span>
            <span className="visually-hidden">{words.unread(unread)}</span>
          </span>
        )}
      </a>
    </li>
  );
});
