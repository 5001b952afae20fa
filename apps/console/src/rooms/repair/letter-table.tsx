import type { DeadLetter } from '#lib/contracts/admin';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { Button } from '../../shared/ui/button.js';
import { useNow } from '../live/live.js';
import { Table } from '../live/room.js';
import { keyOf } from './letters.js';
import { repairMessages } from './messages.js';
import s from './repair.module.css';

/** Dead letters in rows, to be selected and looked into. */
export function LetterTable({
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
