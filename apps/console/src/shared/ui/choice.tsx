import { useId } from 'react';
import s from './ui.module.css';

/** One of a few values, all of which are shown. */
export function Choice<Value extends string>({
  label,
  value,
  values,
  nameOf,
  onChoose,
}: {
  readonly label: string;
  readonly value: Value;
  readonly values: readonly Value[];
  readonly nameOf: (value: Value) => string;
  readonly onChoose: (value: Value) => void;
}) {
  const name = useId();
  return (
    <fieldset className={s['choice']}>
      <legend className={s['label']}>{label}</legend>
      {values.map((each) => (
        <label key={each} className={s['option']}>
          <input type="radio" name={name} checked={each === value} onChange={() => onChoose(each)} />
          {nameOf(each)}
        </label>
      ))}
    </fieldset>
  );
}
