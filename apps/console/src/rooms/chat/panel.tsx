import { Tabs } from '@base-ui/react/tabs';
import { type FormEvent, useState } from 'react';
import { useMessages } from '../../i18n/messages.js';
import { useProblemText } from '../../shared/problem-text.js';
import { useStore } from '../../shared/store.js';
import { Button } from '../../shared/ui/button.js';
import { Field, Input } from '../../shared/ui/field.js';
import { Notice } from '../../shared/ui/notice.js';
import type { Chat } from './chat.js';
import s from './chat.module.css';
import { ContextTab } from './context-tab.js';
import { EndTab } from './end-tab.js';
import { chatMessages } from './messages.js';
import type { Summary } from './summaries.js';

/** Beside the conversation: who is in it, what an agent would read of it, and its end. */
export function Panel({ chat, summary, onClose }: { readonly chat: Chat; readonly summary: Summary; readonly onClose: () => void }) {
  const words = useMessages(chatMessages);
  return (
    <aside className={s['panel']} aria-label={words.panel}>
      <Tabs.Root defaultValue="members" className={s['tabs']}>
        <div className={s['panelHead']}>
          <Tabs.List className={s['tabList']} aria-label={words.panel}>
            {(['members', 'context', 'end'] as const).map((tab) => (
              <Tabs.Tab key={tab} value={tab} className={s['tab']}>
                {words[tab]}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Button look="quiet" square aria-label={words.close} onClick={onClose}>
            ✕
          </Button>
        </div>
        <Tabs.Panel value="members" className={s['tabPanel']}>
          <Members chat={chat} summary={summary} />
        </Tabs.Panel>
        <Tabs.Panel value="context" className={s['tabPanel']}>
          <ContextTab chat={chat} conversationId={summary.id} />
        </Tabs.Panel>
        <Tabs.Panel value="end" className={s['tabPanel']} keepMounted>
          <EndTab chat={chat} conversationId={summary.id} />
        </Tabs.Panel>
      </Tabs.Root>
    </aside>
  );
}

function Members({ chat, summary }: { readonly chat: Chat; readonly summary: Summary }) {
  const words = useMessages(chatMessages);
  const problemText = useProblemText();
  const online = useStore(chat.presence.online);
  const [error, setError] = useState<unknown>();
  const add = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const user = new FormData(form).get('user');
    setError(undefined);
    try {
      if (typeof user === 'string' && user.trim() !== '') await chat.addMember(summary.id, user.trim());
      form.reset();
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <>
      <ul className={s['members']}>
        {summary.memberIds.map((member) => {
          const isOnline = member === chat.userId || online.has(member);
          return (
            <li key={member} className={s['member']}>
              <span className={s['presence']} data-online={isOnline || undefined} aria-hidden />
              <bdi>{member === chat.userId ? `${member} (${words.you})` : member}</bdi>
              <span className={s['soft']}>{isOnline ? words.online : words.offline}</span>
            </li>
          );
        })}
      </ul>
      <form className={s['form']} onSubmit={(event) => void add(event)}>
        <Field label={words.addMember} hint={words.addMemberHint} name="user">
          <Input autoComplete="off" spellCheck={false} autoCapitalize="off" />
        </Field>
        {error !== undefined && <Notice tone="bad">{problemText(error)}</Notice>}
        <Button type="submit">{words.add}</Button>
      </form>
    </>
  );
}
