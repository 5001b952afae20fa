import { useEffect, useMemo, useState } from 'react';
import { useLocation, useRoute } from 'wouter';
import { useApi } from '../../app/api.js';
import { type ConsoleSettings, consoleSettings } from '../../app/console-settings.js';
import { signOut, useSession } from '../../app/session.js';
import { useMessages } from '../../i18n/messages.js';
import { useProblemText } from '../../shared/problem-text.js';
import { useStore } from '../../shared/store.js';
import { Button } from '../../shared/ui/button.js';
import { Notice } from '../../shared/ui/notice.js';
import { ApiError } from '../../shared/api.js';
import { Chat } from './chat.js';
import s from './chat.module.css';
import { ConnectionNotice } from './connection-notice.js';
import { Conversation } from './conversation.js';
import { ConversationList } from './conversation-list.js';
import { chatMessages } from './messages.js';
import { SearchHits, type SearchWish } from './search.js';

/** Conversations on the left, the open one beside them; the socket lives as long as the room is open. */
export default function ChatRoom() {
  const words = useMessages(chatMessages);
  const problemText = useProblemText();
  const [settings, setSettings] = useState<ConsoleSettings>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    if (settings !== undefined || error !== undefined) return;
    consoleSettings().then(setSettings, () => setError(new ApiError('network', 'console.json')));
  }, [settings, error]);
  if (error !== undefined)
    return (
      <div className={s['alone']}>
        <Notice tone="bad">{problemText(error)}</Notice>
        <Button onClick={() => setError(undefined)}>{words.retry}</Button>
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

/** Where the page came over https, a socket without TLS would be refused by the browser. */
const secured = (url: string): string => (location.protocol === 'https:' ? url.replace(/^ws:/, 'wss:') : url);

function LiveRoom({ realtimeUrl }: { readonly realtimeUrl: string }) {
  const api = useApi();
  const { userId, token } = useSession();
  const chat = useMemo(
    () => new Chat(api, userId, token, secured(realtimeUrl), () => signOut('refused')),
    [api, userId, token, realtimeUrl],
  );
  useEffect(() => chat.start(), [chat]);
  return <Room chat={chat} />;
}

function Room({ chat }: { readonly chat: Chat }) {
  const words = useMessages(chatMessages);
  const [, navigate] = useLocation();
  const [, params] = useRoute('/chat/:id/:seq?');
  const [search, setSearch] = useState<SearchWish>({ text: '', mode: 'hybrid', rerank: false, isHere: false });
  const id = params?.id;
  const seq = params?.seq === undefined ? undefined : Number(params.seq);
  useEffect(() => {
    if (id === undefined) chat.hide();
    else void chat.show(id, seq);
  }, [chat, id, seq]);
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
      {id === undefined ? <p className={s['choose']}>{words.choose}</p> : <Conversation key={id} chat={chat} id={id} targetSeq={seq} />}
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
