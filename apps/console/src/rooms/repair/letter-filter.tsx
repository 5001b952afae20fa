import { type FormEvent, useState } from 'react';
import type { DeadLetter } from '#lib/contracts/admin';
import { useMessages } from '../../i18n/messages.js';
import { Button } from '../../shared/ui/button.js';
import { Field, Input } from '../../shared/ui/field.js';
import type { LetterFilter } from './letters.js';
import { repairMessages } from './messages.js';
import s from './repair.module.css';

const everything: LetterFilter = { queue: '', type: '', errorClass: '', text: '' };

/** Which dead letters are shown. Asking again with the same filter reads them again. */
export function FilterForm({
  filter,
  queues,
  letters,
  onFilter,
}: {
  readonly filter: LetterFilter;
  readonly queues: readonly string[];
  readonly letters: readonly DeadLetter[];
  readonly onFilter: (filter: LetterFilter) => void;
}) {
  const words = useMessages(repairMessages);
  const [entered, setEntered] = useState(filter);
  const enter = (part: Partial<LetterFilter>) => setEntered((before) => ({ ...before, ...part }));
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const { queue, type, errorClass, text } = entered;
    onFilter({ queue, type: type.trim(), errorClass: errorClass.trim(), text: text.trim() });
  };
  const clear = () => {
    setEntered(everything);
    onFilter(everything);
  };
  const offered = (values: readonly (string | null)[]) => [...new Set(values)].filter((value) => value !== null);
  return (
    <form className={s['filter']} onSubmit={submit}>
      <Field label={words.queue} name="queue">
        <Input
          value={entered.queue}
          onValueChange={(queue) => enter({ queue })}
          render={
            <select>
              <option value="">{words.allQueues}</option>
              {(queues.includes(entered.queue) || entered.queue === '' ? queues : [entered.queue, ...queues]).map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          }
        />
      </Field>
      <Field label={words.type} name="type">
        <Input value={entered.type} onValueChange={(type) => enter({ type })} list="letter-types" autoComplete="off" />
      </Field>
      <Field label={words.errorClass} name="errorClass">
        <Input value={entered.errorClass} onValueChange={(errorClass) => enter({ errorClass })} list="letter-errors" autoComplete="off" />
      </Field>
      <Field label={words.text} name="text">
        <Input value={entered.text} onValueChange={(text) => enter({ text })} autoComplete="off" maxLength={255} />
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
        <Button look="quiet" onClick={clear}>
          {words.clear}
        </Button>
      </div>
    </form>
  );
}
