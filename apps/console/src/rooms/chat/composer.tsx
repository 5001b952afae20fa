import { type FormEvent, type KeyboardEvent, useState } from 'react';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useStore } from '../../shared/store.js';
import { Button } from '../../shared/ui/button.js';
import type { Chat } from './chat.js';
import s from './chat.module.css';
import { chatMessages } from './messages.js';

/** What a message may hold, in UTF-16 units. */
const MAX_LENGTH = 16_384;
const TELL_BELOW = 500;

/** Writes the next message; the text is kept when another conversation is opened. */
export function Composer({ chat, id }: { readonly chat: Chat; readonly id: string }) {
  const words = useMessages(chatMessages);
  const formats = useFormats();
  const [text, setText] = useState(() => chat.draftOf(id));
  const change = (value: string) => {
    setText(value);
    chat.keepDraft(id, value);
    if (value.trim() !== '') chat.tellTyping(id);
  };
  const send = () => {
    if (text.trim() === '') return;
    chat.send(id, text);
    setText('');
    chat.keepDraft(id, '');
  };
  const onKey = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // While an input method composes, Enter chooses a word.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  const left = MAX_LENGTH - text.length;
  return (
    <form
      className={s['composer']}
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        send();
      }}
    >
      <Typing chat={chat} />
      <div className={s['writing']}>
        <textarea
          className={s['text']}
          aria-label={words.write}
          aria-describedby="composer-hint"
          placeholder={words.write}
          rows={1}
          maxLength={MAX_LENGTH}
          value={text}
          dir="auto"
          onChange={(event) => change(event.target.value)}
          onKeyDown={onKey}
        />
        <Button type="submit" look="primary" disabled={text.trim() === ''}>
          {words.send}
        </Button>
      </div>
      <p id="composer-hint" className={s['hint']}>
        {left < TELL_BELOW ? words.left(formats.number(left)) : words.sendHint}
      </p>
    </form>
  );
}

function Typing({ chat }: { readonly chat: Chat }) {
  const words = useMessages(chatMessages);
  const users = [...useStore(chat.typing).keys()];
  return (
    <p className={s['typing']} aria-live="polite">
      {users.length > 0 && words.typing(users.slice(0, 3).join(', '), users.length)}
    </p>
  );
}
