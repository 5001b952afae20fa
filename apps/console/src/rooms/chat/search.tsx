import { useEffect, useState } from 'react';
import type { SearchResults } from '#lib/contracts/http';
import { useMessages } from '../../i18n/messages.js';
import { isAborted, isPassing } from '../../shared/api.js';
import { useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { useStore } from '../../shared/store.js';
import { Button } from '../../shared/ui/button.js';
import { Badge, Notice } from '../../shared/ui/notice.js';
import type { Chat } from './chat.js';
import s from './chat.module.css';
import { Highlight } from './highlight.js';
import { chatMessages } from './messages.js';
import { nameOf } from './names.js';

const modes = ['hybrid', 'sparse', 'dense'] as const;

/** What is looked for, and how. */
export interface SearchWish {
  readonly text: string;
  readonly mode: (typeof modes)[number];
  readonly rerank: boolean;
  /** Only in the open conversation. */
  readonly isHere: boolean;
}

/** Pause of a typist after which the search goes out: at most four a second, below the quota of a user (RATE_LIMIT_PER_USER). */
const PAUSE_MS = 250;
/** Before the next try of a search that was refused for a while. */
const RETRY_AFTER_MS = 3_000;
const MOST_HITS = 30;

/** The words of a search and its settings. */
export function SearchField({
  wish,
  onChange,
  canStayHere,
}: {
  readonly wish: SearchWish;
  readonly onChange: (wish: SearchWish) => void;
  readonly canStayHere: boolean;
}) {
  const words = useMessages(chatMessages);
  const isOn = wish.text.trim() !== '';
  return (
    <search className={s['search']}>
      <div className={s['searchLine']}>
        <input
          type="search"
          className={s['searchInput']}
          aria-label={words.search}
          placeholder={words.search}
          maxLength={1_000}
          value={wish.text}
          onChange={(event) => onChange({ ...wish, text: event.target.value })}
          onKeyDown={(event) => {
            if (event.key === 'Escape') onChange({ ...wish, text: '' });
          }}
        />
        {isOn && <Button onClick={() => onChange({ ...wish, text: '' })}>{words.clear}</Button>}
      </div>
      {isOn && (
        <div className={s['searchOptions']}>
          <select
            className={s['select']}
            aria-label={words.searchMode}
            value={wish.mode}
            onChange={(event) => onChange({ ...wish, mode: modes.find((mode) => mode === event.target.value) ?? 'hybrid' })}
          >
            {modes.map((mode) => (
              <option key={mode} value={mode}>
                {words.modes[mode]}
              </option>
            ))}
          </select>
          <label className={s['check']}>
            <input type="checkbox" checked={wish.rerank} onChange={(event) => onChange({ ...wish, rerank: event.target.checked })} />
            {words.rerank}
          </label>
          {canStayHere && (
            <label className={s['check']}>
              <input type="checkbox" checked={wish.isHere} onChange={(event) => onChange({ ...wish, isHere: event.target.checked })} />
              {words.searchHere}
            </label>
          )}
        </div>
      )}
    </search>
  );
}

interface Found {
  /** What was asked for. */
  readonly query?: string;
  readonly results?: SearchResults;
  readonly error?: unknown;
}

/** Hits as the user types: the search goes out when the typing rests, and ends the one before it. */
export function SearchHits({
  chat,
  wish,
  openId,
  onOpen,
}: {
  readonly chat: Chat;
  readonly wish: SearchWish;
  readonly openId: string | undefined;
  readonly onOpen: (id: string, seq?: number) => void;
}) {
  const words = useMessages(chatMessages);
  const formats = useFormats();
  const problemText = useProblemText();
  const conversations = useStore(chat.list.shown);
  const [found, setFound] = useState<Found>({});
  const { mode, rerank } = wish;
  const text = wish.text.trim();
  const here = wish.isHere && openId !== undefined ? { conversationId: openId } : {};
  const query = new URLSearchParams({
    q: text,
    mode,
    rerank: String(rerank),
    explain: 'true',
    limit: String(MOST_HITS),
    ...here,
  }).toString();
  useEffect(() => {
    const asking = new AbortController();
    const ask = async () => {
      try {
        setFound({ query, results: await chat.api.ask<SearchResults>(`./v1/search?${query}`, { signal: asking.signal }) });
      } catch (error) {
        if (isAborted(error)) return;
        setFound({ query, error });
        if (isPassing(error)) timer = setTimeout(() => void ask(), RETRY_AFTER_MS);
      }
    };
    let timer = setTimeout(() => void ask(), PAUSE_MS);
    return () => {
      clearTimeout(timer);
      asking.abort();
    };
  }, [chat, query]);
  const { results, error } = found;
  const titleOf = (id: string) => {
    const summary = conversations?.find((each) => each.id === id);
    return summary === undefined ? '' : nameOf(summary, chat.userId, words);
  };
  return (
    <>
      <p className={s['hitCount']} role="status">
        {/* The hits of before stay meanwhile. */}
        {found.query !== query && words.loading}
        {found.query === query && results !== undefined && words.hits(results.items.length, formats.duration(results.tookMs))}
      </p>
      {error !== undefined && <Notice tone="bad">{problemText(error)}</Notice>}
      {results !== undefined && results.degraded.length > 0 && <Notice tone="warn">{words.degraded(results.degraded.join(', '))}</Notice>}
      {results?.items.length === 0 && <p className={s['soft']}>{words.noHits}</p>}
      <ul className={s['list']}>
        {results?.items.map(({ kind, message, document, ranks, highlight }) => (
          <li key={`${kind} ${message.id} ${document?.part ?? 0}`}>
            <button
              type="button"
              className={s['hit']}
              onClick={() => onOpen(message.conversationId, kind === 'message' ? message.seq : undefined)}
            >
              <span className={s['entryName']}>
                <bdi>{document?.title ?? titleOf(message.conversationId)}</bdi>
                {document !== undefined && <Badge>{words.document}</Badge>}
              </span>
              <span className={s['entryTime']} data-time>
                {formats.moment(message.createdAt)}
              </span>
              <span className={s['excerpt']} dir="auto">
                <bdi className={s['hitSender']}>{message.senderId}</bdi> <Highlight html={highlight} />
              </span>
              <span className={s['ranks']}>
                {(['rerank', 'rrf', 'dense', 'sparse'] as const).map((name) => {
                  const place = ranks[name];
                  return place === undefined ? null : <Badge key={name}>{words.rank(words.ranks[name], `#${place}`)}</Badge>;
                })}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
