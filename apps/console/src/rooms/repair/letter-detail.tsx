import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import type { DeadLetter, DeadLetterDetail } from '#lib/contracts/admin';
import { useApi } from '../../app/api.js';
import { useMessages } from '../../i18n/messages.js';
import { isAborted } from '../../shared/api.js';
import { useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { Button } from '../../shared/ui/button.js';
import { Notice } from '../../shared/ui/notice.js';
import { READ_WITHIN_MS } from './letters.js';
import { repairMessages } from './messages.js';
import s from './repair.module.css';

/** One dead letter: why it was given up on, and what it carries. */
export function LetterDetail({ letter, onHide }: { readonly letter: DeadLetter; readonly onHide: () => void }) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const problemText = useProblemText();
  const api = useApi();
  const [found, setFound] = useState<{ readonly detail?: DeadLetterDetail; readonly error?: unknown }>({});
  const { id, queue } = letter;
  useEffect(() => {
    const asking = new AbortController();
    const ask = async () => {
      try {
        const path = `./v1/admin/dead-letters/${encodeURIComponent(id)}?queue=${encodeURIComponent(queue)}`;
        setFound({ detail: await api.ask<DeadLetterDetail>(path, { signal: asking.signal, timeoutMs: READ_WITHIN_MS }) });
      } catch (error) {
        if (!isAborted(error)) setFound({ error });
      }
    };
    void ask();
    return () => asking.abort();
  }, [api, id, queue]);
  const { detail, error } = found;
  const messageId = detail === undefined ? undefined : messageIdIn(detail.payload);
  const facts: readonly (readonly [string, string | null])[] = [
    [words.id, id],
    [words.queue, queue],
    [words.conversation, letter.conversationId],
    [words.trace, letter.traceId],
    [words.firstFailed, letter.firstFailedAt === null ? null : formats.full(letter.firstFailedAt)],
    [words.failedLast, letter.lastFailedAt === null ? null : formats.full(letter.lastFailedAt)],
    [words.size, formats.bytes(letter.sizeBytes)],
    [words.error, `${letter.errorClass ?? '?'}: ${letter.error ?? '?'}`],
  ];
  return (
    <section className={s['detail']} aria-label={`${words.payload} ${id}`}>
      <dl className={s['facts']}>
        {facts.map(([name, value]) => (
          <div key={name} style={{ display: 'contents' }}>
            <dt>{name}</dt>
            <dd>{value ?? '–'}</dd>
          </div>
        ))}
      </dl>
      {error !== undefined && <Notice tone="bad">{problemText(error)}</Notice>}
      {detail !== undefined && (
        <>
          <h3>
            {words.payload} ({words.encoding[detail.payloadEncoding]})
          </h3>
          {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls has to take the focus (WCAG 2.1.1) */}
          <pre className={s['payload']} tabIndex={0}>
            {detail.payloadEncoding === 'json' ? JSON.stringify(detail.payload, undefined, 2) : String(detail.payload)}
          </pre>
          <details className={s['details']}>
            <summary>{words.headers}</summary>
            {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls has to take the focus (WCAG 2.1.1) */}
            <pre className={s['payload']} tabIndex={0}>
              {JSON.stringify(detail.headers, undefined, 2)}
            </pre>
          </details>
        </>
      )}
      <div className={s['buttons']}>
        {messageId !== undefined && <Link href={`/pipeline/${messageId}`}>{words.follow}</Link>}
        <Button onClick={onHide}>{words.hide}</Button>
      </div>
    </section>
  );
}

/** The message that an event is about. */
function messageIdIn(payload: unknown): string | undefined {
  const data = (payload as { data?: { messageId?: unknown } } | null)?.data;
  return typeof data?.messageId === 'string' ? data.messageId : undefined;
}
