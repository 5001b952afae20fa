import { type FormEvent, useState } from 'react';
import { useMessages } from '../i18n/messages.js';
import { useStore } from '../shared/store.js';
import { Button } from '../shared/ui/button.js';
import { Field, TextArea } from '../shared/ui/field.js';
import { Notice } from '../shared/ui/notice.js';
import { Brand } from './brand.js';
import s from './layout.module.css';
import { appMessages } from './messages.js';
import { signIn, signOutReason, type TokenFault } from './session.js';
import { Settings } from './settings.js';

/** Takes a token; the other way in is a link with the token in its fragment (session.ts). */
export function SignIn() {
  const words = useMessages(appMessages);
  const reason = useStore(signOutReason);
  const [fault, setFault] = useState<TokenFault>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const token = new FormData(event.currentTarget).get('token');
    setFault(signIn(typeof token === 'string' ? token : ''));
  };
  return (
    <div className={s['frame']}>
      <header className={s['bar']}>
        <Brand />
        <span className={s['space']} />
        <Settings />
      </header>
      <main className={s['signIn']}>
        <form className={s['card']} onSubmit={submit}>
          <h1 className={s['cardTitle']}>{words.signIn.title}</h1>
          <p className={s['soft']}>{words.signIn.lead}</p>
          {reason !== undefined && fault === undefined && <Notice tone="warn">{words.signIn[reason]}</Notice>}
          <Field label={words.signIn.token} name="token" error={fault === undefined ? undefined : words.signIn[fault]}>
            <TextArea rows={4} required autoComplete="off" spellCheck={false} />
          </Field>
          <Button type="submit" look="primary">
            {words.signIn.submit}
          </Button>
          <div className={s['commands']}>
            <code>{words.signIn.hint}</code>
            <p className={s['soft']}>{words.signIn.link}</p>
            <code>npm run parley -- console --user alice</code>
          </div>
        </form>
      </main>
    </div>
  );
}
