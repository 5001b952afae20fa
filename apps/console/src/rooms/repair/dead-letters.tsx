import { useState } from 'react';
import { useParams } from 'wouter';
import type { DeadLetter } from '#lib/contracts/admin';
import type { AdminPicture } from '#lib/contracts/admin-live';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { useProblemText } from '../../shared/problem-text.js';
import { Button } from '../../shared/ui/button.js';
import { Notice } from '../../shared/ui/notice.js';
import { Card } from '../live/room.js';
import { known } from '../pipeline/node-state.js';
import { LetterDetail } from './letter-detail.js';
import { FilterForm } from './letter-filter.js';
import { LetterTable } from './letter-table.js';
import { keyOf, type LetterFilter, useLetters } from './letters.js';
import { repairMessages } from './messages.js';
import { OrderDialog, type Replayed } from './order-dialog.js';
import type { Deed } from './order-steps.js';
import s from './repair.module.css';

/** From the replay to the dead-letter queue, without a retry. */
const DIES_WITHIN_MS = 2_000;

/** What was given up on, all of it or of the queue that the address names. */
export function DeadLetters({ queues }: { readonly queues: AdminPicture['queues'] | undefined }) {
  const linked = useParams<{ '*'?: string }>()['*'] ?? '';
  return <Letters key={linked} queue={linked} queues={queues} />;
}

/** Filter, payload and reason, replay and discard. */
function Letters({ queue, queues: section }: { readonly queue: string; readonly queues: AdminPicture['queues'] | undefined }) {
  const words = useMessages(repairMessages);
  const formats = useFormats();
  const problemText = useProblemText();
  const [filter, setFilter] = useState<LetterFilter>({ queue, type: '', errorClass: '', text: '' });
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
  const diedAgain = letters.filter((letter) => letter.replays > (replayed.get(keyOf(letter)) ?? Number.POSITIVE_INFINITY)).length;
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
        filter={filter}
        queues={queues.map(({ name }) => name)}
        letters={letters}
        onFilter={(wanted) => {
          setFilter(wanted);
          reload();
        }}
      />
      {error !== undefined && <Notice tone="bad">{problemText(error)}</Notice>}
      {page === undefined && error === undefined && <p className={s['soft']}>{words.reading}</p>}
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
          <LetterTable
            letters={letters}
            selected={selected}
            shown={shown}
            onSelect={(letter, isOn) => toggle([keyOf(letter)], isOn)}
            onShow={(letter) => setShown(shown !== undefined && keyOf(shown) === keyOf(letter) ? undefined : letter)}
          />
          {page?.isComplete === false && <p className={s['soft']}>{words.more}</p>}
        </>
      )}
      {shown !== undefined && <LetterDetail key={keyOf(shown)} letter={shown} onHide={() => setShown(undefined)} />}
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
