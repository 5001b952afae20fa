import { type FormEvent, useState } from 'react';
import type { Message } from '#client/frames';
import { useMessages } from '../../i18n/messages.js';
import { useProblemText } from '../../shared/problem-text.js';
import { Button } from '../../shared/ui/button.js';
import { Actions, Dialog } from '../../shared/ui/dialog.js';
import { Field, TextArea } from '../../shared/ui/field.js';
import { Notice } from '../../shared/ui/notice.js';
import type { Chat } from './chat.js';
import s from './chat.module.css';
import { chatMessages } from './messages.js';

/** What the user wants to do with a message. */
export interface Wish {
  readonly kind: 'edit' | 'remove';
  readonly message: Message;
}

/** Asks for the new text of a message, or whether to delete it. */
export function ChangeDialog({
  chat,
  wish,
  onClose,
}: {
  readonly chat: Chat;
  readonly wish: Wish | undefined;
  readonly onClose: () => void;
}) {
  const words = useMessages(chatMessages);
  return (
    <Dialog title={wish?.kind === 'remove' ? words.removeTitle : words.edit} isOpen={wish !== undefined} onClose={onClose}>
      {wish !== undefined && <Form chat={chat} wish={wish} onClose={onClose} />}
    </Dialog>
  );
}

function Form({ chat, wish, onClose }: { readonly chat: Chat; readonly wish: Wish; readonly onClose: () => void }) {
  const words = useMessages(chatMessages);
  const problemText = useProblemText();
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = new FormData(event.currentTarget).get('text');
    setBusy(true);
    setError(undefined);
    try {
      if (wish.kind === 'remove') await chat.remove(wish.message);
      else await chat.edit(wish.message, typeof text === 'string' ? text : '');
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <form className={s['form']} onSubmit={(event) => void submit(event)}>
      {wish.kind === 'remove' ? (
        <>
          <p>{words.removeLead}</p>
          <blockquote className={s['quote']} dir="auto">
            {wish.message.content.slice(0, 300)}
          </blockquote>
        </>
      ) : (
        <Field label={words.editing} name="text">
          <TextArea rows={5} defaultValue={wish.message.content} maxLength={16_384} required dir="auto" />
        </Field>
      )}
      {error !== undefined && <Notice tone="bad">{problemText(error)}</Notice>}
      <Actions>
        <Button onClick={onClose}>{words.cancel}</Button>
        <Button type="submit" look={wish.kind === 'remove' ? 'danger' : 'primary'} disabled={isBusy}>
          {wish.kind === 'remove' ? words.remove : words.save}
        </Button>
      </Actions>
    </form>
  );
}
