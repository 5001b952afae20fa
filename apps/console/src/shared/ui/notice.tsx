import type { ReactNode } from 'react';
import s from './ui.module.css';

export type Tone = 'plain' | 'accent' | 'good' | 'warn' | 'bad';

/** Something to read before going on. `bad` is read out at once. */
export function Notice({ tone = 'plain', children }: { readonly tone?: Tone; readonly children: ReactNode }) {
  return (
    <div className={s['notice']} data-tone={tone} role={tone === 'bad' ? 'alert' : 'status'}>
      {children}
    </div>
  );
}

export function Badge({ tone = 'plain', children }: { readonly tone?: Tone; readonly children: ReactNode }) {
  return (
    <span className={s['badge']} data-tone={tone}>
      {children}
    </span>
  );
}
