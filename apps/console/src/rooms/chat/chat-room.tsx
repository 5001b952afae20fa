import { useEffect, useState } from 'react';
import { useLocation, useRoute } from 'wouter';
import { useApi } from '../../app/api.js';
import { useConsoleSettings } from '../../app/console-settings.js';
import { useSession } from '../../app/session.js';
import { useMessages } from '../../i18n/messages.js';
import { useProblemText } from '../../shared/problem-text.js';
import { useStore } from '../../shared/store.js';
import { Button } from '../../shared/ui/button.js';
import { Notice } from '../../shared/ui/notice.js';
import type { Chat } from './chat.js';
import s from './chat.module.css';
import { chatOf } from './chat-of-session.js';
import { ConnectionNotice } from './connection-notice.js';
import { Conversation } from './conversation.js';
import { ConversationList } from './conversation-list.js';
import { chatMessages } from './messages.js';
import { SearchHits, type SearchWish } from './search.js';

/** Conversations on the left, the open one beside them. */
export default function ChatRoom() {
  const words = useMessages(chatMessages);
  const problemText = useProblemText();
  const { settings, error, retry } = useConsoleSettings();
  if (settings === undefined && error !== undefined)
    return (
      <div className={s['alone']}>
        <Notice tone="bad">{problemText(error)}</Notice>
        <Button onClick={retry}>{words.retry}</Button>
      </div>
    );
  if (settings === undefined) return <p className={s['alone']}>{words.loading}</p>;
  if (settings.realtimeUrl === undefined)
    return (
      <div className={s['alone']}>
        <Notice tone="bad">{words.connection.nowhere}</Notice>
      </div>
    );
  return <LiveRoom realtimeUrl={settings.realtimeUrl} />;
}

function LiveRoom({ realtimeUrl }: { readonly realtimeUrl: string }) {
  const api = useApi();
  const session = useSession();
  const [chat] = useState(() => chatOf(session, api, realtimeUrl));
  return <Room chat={chat} />;
}

/** A conversation and a place in it. Nothing else of an address gets into a path of the API. */
function useAddress(): { readonly id: string | undefined; readonly seq: number | undefined } {
  const [, params] = useRoute('/chat/:id/:seq?');
  const { id = '', seq = '' } = params ?? {};
  const isId = /^[\da-f-]{36}$/i.test(id);
  return { id: isId ? id : undefined, seq: isId && /^\d{1,15}$/.test(seq) ? Number(seq) : undefined };
}

function Room({ chat }: { readonly chat: Chat }) {
  const words = useMessages(chatMessages);
  const [, navigate] = useLocation();
  const [search, setSearch] = useState<SearchWish>({ text: '', mode: 'hybrid', rerank: false, isHere: false });
  const { id, seq } = useAddress();
  useEffect(() => chat.show(id, seq), [chat, id, seq]);
  // What arrives while another room is shown has not been read.
  useEffect(() => () => chat.show(undefined), [chat]);
  const open = (to: string, at?: number) => navigate(at === undefined ? `/chat/${to}` : `/chat/${to}/${at}`);
  return (
    <div className={s['room']} data-open={id !== undefined || undefined}>
      <h1 className="visually-hidden">{words.title}</h1>
      <ConnectionNotice chat={chat} />
      <aside className={s['side']} aria-label={words.conversations}>
        <ConversationList
          chat={chat}
          openId={id}
          search={search}
          onSearch={setSearch}
          onOpen={open}
          hits={search.text.trim() === '' ? undefined : <SearchHits chat={chat} wish={search} openId={id} onOpen={open} />}
        />
      </aside>
      {id === undefined ? (
        <p className={s['choose']}>{words.choose}</p>
      ) : (
        <Conversation key={id} chat={chat} id={id} targetSeq={seq} onNewest={() => open(id)} />
      )}
      <Announcer chat={chat} />
    </div>
  );
}

/** Reads new messages out, at most once each second. */
function Announcer({ chat }: { readonly chat: Chat }) {
  const words = useMessages(chatMessages);
  const news = useStore(chat.announced);
  const text =
    news === undefined
      ? ''
      : news.count === 1
        ? words.newMessage(news.message.senderId, news.message.content.slice(0, 200))
        : words.newMessages(news.count, news.message.senderId);
  return (
    <div className="visually-hidden" aria-live="polite">
      {text}
    </div>
  );
}
