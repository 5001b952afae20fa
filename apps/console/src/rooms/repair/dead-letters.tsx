import { type FormEvent, useEffect, useState } from 'react';
import { Link, useParams } from 'wouter';
import type { DeadLetter, DeadLetterDetail, DeadLetterPage } from '#lib/contracts/admin';
import type { AdminPicture } from '#lib/contracts/admin-live';
import { useApi } from '../../app/api.js';
import { useMessages } from '../../i18n/messages.js';
import { isAborted } from '../../shared/api.js';
import { useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { Button } from '../../shared/ui/button.js';
import { Field, Input } from '../../shared/ui/field.js';
import { Notice } from '../../shared/ui/notice.js';
import { useNow } from '../live/live.js';
import { Card, Table } from '../live/room.js';
import { known } from '../pipeline/node-state.js';
import { repairMessages } from './messages.js';
import { type Deed, OrderDialog, type Replayed } from './order-dialog.js';
import s from './repair.module.css';

interface Filter {
  readonly queue: string;
  readonly type: string;
  readonly errorClass: string;
  readonly text: string;
}

/** Letters of one answer: enough to choose from, and read in a moment. */
const LIMIT = 200;
/** Letters are read one by one from RabbitMQ, which may wait for another operator's order. */
const TIMEOUT_MS = 20_000;

/** From the replay to the dead-letter queue, without a retry. */
const DIES_WITHIN_MS = 2_000;

const keyOf = ({ queue, id }: DeadLetter): string => `${queue} ${id}`;

/** What was given up on: filter, payload and reason, replay and discard. */
export function DeadLetters({ queues: section }: { readonly queues: AdminPicture['queues'] | undefined }) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const problemText = useProblemText();
  const linked = useParams<{ '*'?: string }>()['*'] ?? '';
  const [filter, setFilter] = useState<Filter>({ queue: linked, type: '', errorClass: '', text: '' });
  const queues = known(section)?.items ?? [];
  // The stream says when there are more or fewer: then the list is read again.
  const version = queues.map(({ deadLetters }) => deadLetters).join();
  const { page, error, reload } = useLetters(filter, version);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [shown, setShown] = useState<DeadLetter>();
  const [order, setOrder] = useState<{ readonly deed: Deed; readonly letters: readonly DeadLetter[] }>();
  const [replayed, setReplayed] = useState<Replayed>(new Map());

  const letters = page?.items ?? [];
  const chosen = letters.filter((letter) => selected.has(keyOf(letter)));
  const diedAgain = letters.filter(({ id, replays }) => replays > (replayed.get(id) ?? Number.POSITIVE_INFINITY)).length;
  const isFiltered = Object.values(filter).some((value) => value !== '');
  const toggle = (keys: readonly string[], isOn: boolean) => {
    const next = new Set(selected);
    for (const key of keys) {
      if (isOn) next.add(key);
      else next.delete(key);
    }
    setSelected(next);
  };
  return (
    <Card title={words.deadLetters} beside={<span className={s['soft']}>{words.what}</span>}>
      <FilterForm
        key={JSON.stringify(filter)}
        filter={filter}
        queues={queues.map(({ name }) => name)}
        letters={letters}
        onFilter={setFilter}
      />
      {error !== undefined && <Notice tone="bad">{problemText(error)}</Notice>}
      {page !== undefined && letters.length === 0 && <p>{isFiltered ? words.noneMatch : words.none}</p>}
      {letters.length > 0 && (
        <>
          <div className={s['buttons']}>
            <label className={s['check']}>
              <input
                type="checkbox"
                checked={chosen.length === letters.length}
                onChange={({ target }) => toggle(letters.map(keyOf), target.checked)}
              />
              {words.selectAll}
            </label>
            <output className={s['soft']}>{words.selected(formats.number(chosen.length))}</output>
            <Button look="primary" disabled={chosen.length === 0} onClick={() => setOrder({ deed: 'replay', letters: chosen })}>
              {words.replay}
            </Button>
            <Button look="danger" disabled={chosen.length === 0} onClick={() => setOrder({ deed: 'discard', letters: chosen })}>
              {words.discard}
            </Button>
          </div>
          <Letters
            letters={letters}
            selected={selected}
            shown={shown}
            onSelect={(letter, isOn) => toggle([keyOf(letter)], isOn)}
            onShow={(letter) => setShown(shown !== undefined && keyOf(shown) === keyOf(letter) ? undefined : letter)}
          />
          {page?.isComplete === false && <p className={s['soft']}>{words.more}</p>}
        </>
      )}
      {shown !== undefined && <Detail key={keyOf(shown)} letter={shown} onHide={() => setShown(undefined)} />}
      {order !== undefined && (
        <OrderDialog
          {...order}
          queues={queues}
          diedAgain={diedAgain}
          onReplayed={setReplayed}
          onEnded={() => {
            reload();
            // What is refused at once is a dead letter again before the stream has seen it away.
            setTimeout(reload, DIES_WITHIN_MS);
          }}
          onClose={() => {
            setOrder(undefined);
            setSelected(new Set());
            reload();
          }}
        />
      )}
    </Card>
  );
}

/** The letters that match, read anew when the filter or `version` changes and after `reload`. */
function useLetters({ queue, type, errorClass, text }: Filter, version: string) {
  const api = useApi();
  const [found, setFound] = useState<{ readonly page?: DeadLetterPage; readonly error?: unknown }>({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const asking = new AbortController();
    const given = Object.entries({ queue, type, errorClass, text }).filter(([, value]) => value !== '');
    const query = new URLSearchParams([...given, ['limit', String(LIMIT)]]);
    const ask = async () => {
      try {
        const page = await api.ask<DeadLetterPage>(`./v1/admin/dead-letters?${query}`, { signal: asking.signal, timeoutMs: TIMEOUT_MS });
        setFound({ page });
      } catch (error) {
        if (!isAborted(error)) setFound((before) => ({ ...before, error }));
      }
    };
    void ask();
    return () => asking.abort();
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- another version: there is something new to read
  }, [api, queue, type, errorClass, text, version, turn]);
  return { ...found, reload: () => setTurn((before) => before + 1) };
}

function FilterForm({
  filter,
  queues,
  letters,
  onFilter,
}: {
  readonly filter: Filter;
  readonly queues: readonly string[];
  readonly letters: readonly DeadLetter[];
  readonly onFilter: (filter: Filter) => void;
}) {
  const words = useMessages(repairMessages);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const entered = (name: string) => {
      const value = data.get(name);
      return typeof value === 'string' ? value.trim() : '';
    };
    onFilter({ queue: entered('queue'), type: entered('type'), errorClass: entered('errorClass'), text: entered('text') });
  };
  const offered = (values: readonly (string | null)[]) => [...new Set(values)].filter((value) => value !== null);
  return (
    <form className={s['filter']} onSubmit={submit}>
      <Field label={words.queue} name="queue">
        <Input
          defaultValue={filter.queue}
          render={
            <select>
              <option value="">{words.allQueues}</option>
              {(queues.includes(filter.queue) || filter.queue === '' ? queues : [filter.queue, ...queues]).map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          }
        />
      </Field>
      <Field label={words.type} name="type">
        <Input defaultValue={filter.type} list="letter-types" autoComplete="off" />
      </Field>
      <Field label={words.errorClass} name="errorClass">
        <Input defaultValue={filter.errorClass} list="letter-errors" autoComplete="off" />
      </Field>
      <Field label={words.text} name="text">
        <Input defaultValue={filter.text} autoComplete="off" maxLength={255} />
      </Field>
      <datalist id="letter-types">
        {offered(letters.map(({ type }) => type)).map((value) => (
          <option key={value}>{value}</option>
        ))}
      </datalist>
      <datalist id="letter-errors">
        {offered(letters.map(({ errorClass }) => errorClass)).map((value) => (
          <option key={value}>{value}</option>
        ))}
      </datalist>
      <div className={s['buttons']}>
        <Button type="submit">{words.find}</Button>
        <Button look="quiet" onClick={() => onFilter({ queue: '', type: '', errorClass: '', text: '' })}>
          {words.clear}
        </Button>
      </div>
    </form>
  );
}

function Letters({
  letters,
  selected,
  shown,
  onSelect,
  onShow,
}: {
  readonly letters: readonly DeadLetter[];
  readonly selected: ReadonlySet<string>;
  readonly shown: DeadLetter | undefined;
  readonly onSelect: (letter: DeadLetter, isOn: boolean) => void;
  readonly onShow: (letter: DeadLetter) => void;
}) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const now = useNow();
  return (
    <Table
      label={words.deadLetters}
      columns={[
        { head: words.selectHead, isHidden: true },
        { head: words.failedLast },
        { head: words.queue },
        { head: words.event },
        { head: words.error },
        { head: words.attempts, isNumber: true },
        { head: words.replays, isNumber: true },
        { head: words.payload, isHidden: true },
      ]}
      rows={letters.map((letter) => {
        const { id, queue, type, errorClass, error, attempts, replays, lastFailedAt } = letter;
        const isShown = shown !== undefined && keyOf(shown) === keyOf(letter);
        return {
          key: keyOf(letter),
          cells: [
            <input
              key="select"
              type="checkbox"
              className={s['tick']}
              aria-label={words.select(id)}
              checked={selected.has(keyOf(letter))}
              onChange={({ target }) => onSelect(letter, target.checked)}
            />,
            lastFailedAt === null ? (
              '–'
            ) : (
              <span key="when" title={formats.full(lastFailedAt)}>
                {formats.ago(lastFailedAt, now)}
              </span>
            ),
            queue,
            <span key="event">
              {type}
              <br />
              <code title={id}>…{id.slice(-8)}</code>
            </span>,
            <span key="error" className={s['error']}>
              <strong>{errorClass ?? '?'}</strong>
              <br />
              {error ?? '?'}
            </span>,
            attempts === null ? '–' : formats.number(attempts),
            formats.number(replays),
            <Button key="show" aria-expanded={isShown} onClick={() => onShow(letter)}>
              {isShown ? words.hide : words.show}
            </Button>,
          ],
        };
      })}
    />
  );
}

function Detail({ letter, onHide }: { readonly letter: DeadLetter; readonly onHide: () => void }) {
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
        setFound({ detail: await api.ask<DeadLetterDetail>(path, { signal: asking.signal, timeoutMs: TIMEOUT_MS }) });
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
