import type { ComponentProps } from 'react';
import { classes } from './classes.js';
import s from './ui.module.css';

interface Look {
  /** `primary`: the one that a form is for. `danger`: takes something away. `quiet`: beside others. */
  readonly look?: 'plain' | 'primary' | 'danger' | 'quiet';
  /** Square, for a picture; give it an `aria-label`. */
  readonly square?: boolean;
}

export function Button({ look = 'plain', square = false, className, type = 'button', ...rest }: ComponentProps<'button'> & Look) {
  return (
    <button
      {...rest}
      // oxlint-disable-next-line react/button-has-type -- its default above is one
      type={type}
      className={classes(s['button'], look === 'plain' ? undefined : s[look], square && s['icon'], className)}
    />
  );
}
