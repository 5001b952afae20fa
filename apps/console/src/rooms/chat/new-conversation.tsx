import { type FormEvent, useRef, useState } from 'react';
import { randomId } from '#client/random-id';
import { useMessages } from '../../i18n/messages.js';
import { useProblemText } from '../../shared/problem-text.js';
import { Button } from '../../shared/ui/button.js';
import { Actions, Dialog } from '../../shared/ui/dialog.js';
import { Field, Input } from '../../shared/ui/field.js';
import { Notice } from '../../shared/ui/notice.js';
import type { Chat } from './chat.js';
import s from './chat.module.css';
import { chatMessages } from './messages.js';

/** Asks for title and members. A try that is repeated after a lost answer makes no second conversation. */
export function NewConversation({
  chat,
  isOpen,
  onClose,
  onCreated,
}: {
  readonly chat: Chat;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly onCreated: (id: string) => void;
}) {
  const words = useMessages(chatMessages);
  return (
    <Dialog title={words.start} isOpen={isOpen} onClose={onClose}>
      <Form chat={chat} onClose={onClose} onCreated={onCreated} />
    </Dialog>
  );
}

function Form({
  chat,
  onClose,
  onCreated,
}: {
  readonly chat: Chat;
  readonly onClose: () => void;
  readonly onCreated: (id: string) => void;
}) {
  const words = useMessages(chatMessages);
  const problemText = useProblemText();
  const tried = useRef({ body: '', key: '' });
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const textOf = (name: string) => {
      const value = data.get(name);
      return typeof value === 'string' ? value.trim() : '';
    };
    const members = textOf('members')
      .split(/[\s,;]+/)
      .filter(Boolean);
    const body = JSON.stringify([textOf('title'), members]);
    // The same request again keeps its key.
    if (tried.current.body !== body) tried.current = { body, key: randomId() };
    setBusy(true);
    setError(undefined);
    try {
      onCreated(await chat.create(textOf('title'), members, tried.current.key));
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className={s['form']} onSubmit={(event) => void submit(event)}>
      <Field label={words.startMembers} hint={words.startMembersHint} name="members">
        <Input autoComplete="off" spellCheck={false} autoCapitalize="off" />
      </Field>
      <Field label={words.startTitle} name="title">
        <Input autoComplete="off" maxLength={200} />
      </Field>
      {error !== undefined && <Notice tone="bad">{problemText(error)}</Notice>}
      <Actions>
        <Button onClick={onClose}>{words.cancel}</Button>
        <Button look="primary" type="submit" disabled={isBusy}>
          {words.create}
        </Button>
      </Actions>
    </form>
  );
}
