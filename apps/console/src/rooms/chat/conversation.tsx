import { useRef, useState } from 'react';
import { Link } from 'wouter';
import { useMessages } from '../../i18n/messages.js';
import { isPassing } from '../../shared/api.js';
import { useProblemText } from '../../shared/problem-text.js';
import { useStore } from '../../shared/store.js';
import { Button } from '../../shared/ui/button.js';
import { Notice } from '../../shared/ui/notice.js';
import type { Chat } from './chat.js';
import s from './chat.module.css';
import { Composer } from './composer.js';
import { MessageList } from './message-list.js';
import { chatMessages } from './messages.js';
import { nameOf } from './names.js';
import { Panel } from './panel.js';

/** The open conversation: its messages, what is written next, and beside it what can be done with it. */
export function Conversation({
  chat,
  id,
  targetSeq,
  onNewest,
}: {
  readonly chat: Chat;
  readonly id: string;
  /** The message that a hit of a search leads to. */
  readonly targetSeq: number | undefined;
  /** Leaves the message that a hit led to. */
  readonly onNewest: () => void;
}) {
  const words = useMessages(chatMessages);
  const problemText = useProblemText();
  const shown = useStore(chat.open.shown);
  const online = useStore(chat.presence.online);
  const summary = useStore(chat.list.shown)?.find((each) => each.id === id);
  const [hasPanel, setPanel] = useState(false);
  const toggle = useRef<HTMLButtonElement>(null);
  const others = summary?.memberIds.filter((member) => member !== chat.userId) ?? [];
  // Of one that is not there nothing can be sent; what is out of reach for a while waits.
  const canWrite = shown?.conversationId !== id || shown.state !== 'failed' || isPassing(shown.error);
  const present = others.filter((member) => online.has(member)).length;
  return (
    <>
      <section className={s['conversation']} aria-labelledby="conversation-name">
        <header className={s['head']}>
          <Link href="/chat" className={s['back'] ?? ''} aria-label={words.conversations}>
            ←
          </Link>
          <div className={s['headText']}>
            <h2 id="conversation-name" className={s['name']}>
              <bdi>{summary === undefined ? words.conversation : nameOf(summary, chat.userId, words)}</bdi>
            </h2>
            {summary !== undefined && (
              <p className={s['soft']}>
                {words.memberCount(summary.memberIds.length)} ·{' '}
                <span className={s['presence']} data-online={present > 0 || undefined} aria-hidden />{' '}
                {others.length === 1 ? (present === 1 ? words.online : words.offline) : `${present} ${words.online}`}
              </p>
            )}
          </div>
          <Button ref={toggle} aria-expanded={hasPanel} onClick={() => setPanel(!hasPanel)}>
            {words.openPanel}
          </Button>
        </header>
        {shown?.conversationId !== id || shown.state === 'loading' ? (
          <p className={s['loading']}>{words.loading}</p>
        ) : shown.state === 'failed' ? (
          <div className={s['alone']}>
            <Notice tone="bad">{problemText(shown.error)}</Notice>
            <Button onClick={() => chat.show(id, targetSeq)}>{words.retry}</Button>
          </div>
        ) : (
          <MessageList chat={chat} shown={shown} targetSeq={targetSeq} onNewest={onNewest} />
        )}
        {canWrite && <Composer chat={chat} id={id} />}
      </section>
      {hasPanel && summary !== undefined && (
        <Panel
          chat={chat}
          summary={summary}
          onClose={() => {
            setPanel(false);
            toggle.current?.focus();
          }}
        />
      )}
    </>
  );
}
