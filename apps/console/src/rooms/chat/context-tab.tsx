import { Meter } from '@base-ui/react/meter';
import { type FormEvent, useState } from 'react';
import type { ContextView } from '#lib/contracts/http';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { Button } from '../../shared/ui/button.js';
import { Field, Input } from '../../shared/ui/field.js';
import { Badge, Notice } from '../../shared/ui/notice.js';
import type { Chat } from './chat.js';
import s from './chat.module.css';
import { chatMessages } from './messages.js';

interface Preview {
  readonly maxTokens: number;
  readonly view?: ContextView;
  readonly error?: unknown;
}

/** The window that an agent would be given for a question, and how much of its room that takes. */
export function ContextTab({ chat, conversationId }: { readonly chat: Chat; readonly conversationId: string }) {
  const words = useMessages(chatMessages);
  const formats = useFormats();
  const problemText = useProblemText();
  const [preview, setPreview] = useState<Preview>();
  const [isBusy, setBusy] = useState(false);
  const ask = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const [query, tokens] = [data.get('query'), data.get('tokens')];
    const maxTokens = Number(tokens);
    setBusy(true);
    try {
      const view = await chat.api.ask<ContextView>(`./v1/conversations/${conversationId}/context`, {
        method: 'POST',
        body: { query, maxTokens },
      });
      setPreview({ maxTokens, view });
    } catch (error) {
      setPreview({ maxTokens, error });
    } finally {
      setBusy(false);
    }
  };
  const view = preview?.view;
  return (
    <>
      <p className={s['soft']}>{words.contextLead}</p>
      <form className={s['form']} onSubmit={(event) => void ask(event)}>
        <Field label={words.contextQuery} name="query">
          <Input required maxLength={1_000} autoComplete="off" />
        </Field>
        <Field label={words.contextTokens} name="tokens">
          <Input type="number" min={1} max={200_000} step={1} defaultValue="1000" required />
        </Field>
        <Button type="submit" disabled={isBusy}>
          {words.contextShow}
        </Button>
      </form>
      {preview?.error !== undefined && <Notice tone="bad">{problemText(preview.error)}</Notice>}
      {view !== undefined && preview !== undefined && (
        <>
          <Meter.Root
            className={s['meter']}
            value={view.tokens}
            max={preview.maxTokens}
            getAriaValueText={() => words.contextUsed(formats.number(view.tokens), formats.number(preview.maxTokens))}
          >
            <span className={s['meterHead']}>
              <Meter.Label>{words.contextUsed(formats.number(view.tokens), formats.number(preview.maxTokens))}</Meter.Label>
              <span className={s['soft']}>{words.contextCount(formats.number(view.items.length))}</span>
            </span>
            <Meter.Track className={s['meterTrack']}>
              <Meter.Indicator className={s['meterFill']} />
            </Meter.Track>
          </Meter.Root>
          {view.degraded.length > 0 && <Notice tone="warn">{words.degraded(view.degraded.join(', '))}</Notice>}
          {view.items.length === 0 && <p className={s['soft']}>{words.contextEmpty}</p>}
          <ol className={s['window']}>
            {view.items.map(({ message, why }) => (
              <li key={message.id} className={s['windowItem']} data-why={why}>
                <span className={s['windowHead']}>
                  <bdi>{message.senderId}</bdi> <Badge tone={why === 'semantic' ? 'good' : 'plain'}>{words.why[why]}</Badge>
                </span>
                <span className={s['windowText']} dir="auto">
                  {message.content}
                </span>
              </li>
            ))}
          </ol>
        </>
      )}
    </>
  );
}
