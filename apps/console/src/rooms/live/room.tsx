import type { ReactNode } from 'react';
import type { UnknownSection } from '#lib/contracts/admin-live';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { Button } from '../../shared/ui/button.js';
import { Notice } from '../../shared/ui/notice.js';
import { useLive, useNow, useRetryNow } from './live.js';
import s from './live.module.css';
import { liveMessages } from './messages.js';

/** An operators' room: its title, how current it is, and what it shows; one sentence when the token may not see it. */
export function Room({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  const words = useMessages(liveMessages);
  const { status } = useLive();
  if (status.kind === 'refused') {
    return (
      <div className={s['room']}>
        <Notice>{words.refused}</Notice>
      </div>
    );
  }
  return (
    <div className={s['room']} data-stale={status.kind === 'stale' ? '' : undefined}>
      <div className={s['head']}>
        <h1>{title}</h1>
        <LiveLine />
      </div>
      {children}
    </div>
  );
}

/** Read out when it changes between live and stale, not each second. */
function LiveLine() {
  const words = useMessages(liveMessages);
  const formats = useFormats();
  const { status } = useLive();
  const retryNow = useRetryNow();
  const now = useNow();
  if (status.kind !== 'stale') {
    return (
      <output className={s['status']} data-kind={status.kind}>
        <span aria-hidden>{status.kind === 'live' ? '●' : '○'}</span>
        {status.kind === 'live' ? words.live : words.connecting}
      </output>
    );
  }
  const { since, reason } = status;
  const why = reason in words.reasons ? words.reasons[reason as keyof typeof words.reasons] : words.reasons.other;
  return (
    <>
      <output className={s['status']} data-kind="stale">
        <span aria-hidden>▲</span>
        {since === 0 ? (
          words.never
        ) : (
          <>
            {words.stale(formats.seconds(since))}
            <span aria-hidden>({formats.ago(since, now)})</span>
          </>
        )}
      </output>
      <span className={s['soft']}>
        {why} {since === 0 ? '' : words.whatYouSee}
      </span>
      <Button onClick={retryNow}>{words.retry}</Button>
    </>
  );
}

/** A card with a heading. */
export function Card({ title, beside, children }: { readonly title: string; readonly beside?: ReactNode; readonly children: ReactNode }) {
  return (
    <section className={s['card']} aria-label={title}>
      <div className={s['cardHead']}>
        <h2>{title}</h2>
        {beside}
      </div>
      {children}
    </section>
  );
}

/** What a section tells; in its place why it tells nothing. */
export function OfSection<Section extends { readonly state: string }>({
  section,
  children,
}: {
  readonly section: Section | UnknownSection | undefined;
  readonly children: (known: Exclude<Section, UnknownSection>) => ReactNode;
}) {
  const words = useMessages(liveMessages);
  const formats = useFormats();
  if (section === undefined) return <p className={s['soft']}>{words.sectionComing}</p>;
  if (section.state === 'unknown') {
    const { reason, since } = section as UnknownSection;
    return <Notice tone="warn">{words.sectionUnknown(reason, formats.seconds(since))}</Notice>;
  }
  return children(section as Exclude<Section, UnknownSection>);
}

/** A column of a table; numbers stand at its end. */
export interface Column {
  readonly head: string;
  readonly isNumber?: boolean;
  /** For screen readers alone: what stands below says what it is. */
  readonly isHidden?: boolean;
}

/** Rows of cells under heads; `empty` stands for no row. */
export function Table({
  label,
  columns,
  rows,
  empty,
}: {
  readonly label: string;
  readonly columns: readonly Column[];
  readonly rows: readonly { readonly key: string; readonly cells: readonly ReactNode[] }[];
  readonly empty?: string;
}) {
  if (rows.length === 0 && empty !== undefined) return <p className={s['soft']}>{empty}</p>;
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls has to take the focus (WCAG 2.1.1)
    <div className={s['scroll']} tabIndex={0}>
      <table className={s['table']} aria-label={label}>
        <thead>
          <tr>
            {columns.map(({ head, isNumber, isHidden }) => (
              <th key={head} scope="col" data-number={isNumber === true ? '' : undefined}>
                {isHidden === true ? <span className="visually-hidden">{head}</span> : head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, cells }) => (
            <tr key={key}>
              {cells.map((cell, i) => (
                <td key={columns[i]?.head ?? i} data-number={columns[i]?.isNumber === true ? '' : undefined}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
