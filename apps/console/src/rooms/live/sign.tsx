import type { Level } from '../pipeline/node-state.js';
import s from './live.module.css';

/** The shape of a level: each differs without its colour, too. */
const shapes: Readonly<Record<Level | 'paused' | 'waiting', string>> = {
  // a disc with a tick
  calm: 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13ZM4.6 8.2l2.5 2.5l4.4-5',
  // a triangle with a line
  attention: 'M8 1.6L15 14H1ZM8 6v4M8 12v.4',
  // an octagon with a cross
  bad: 'M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3ZM5.5 5.5l5 5M10.5 5.5l-5 5',
  // two bars in a square
  paused: 'M2 2h12v12H2ZM6 5v6M10 5v6',
  // three points
  waiting: 'M3 8v.1M8 8v.1M13 8v.1',
  // a dashed ring with a question mark
  unknown: 'M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13ZM6 6.2c.2-2.6 4-2.4 4 .1c0 1.6-2 1.6-2 3.2M8 11.8v.3',
};

interface Look {
  readonly level: Level;
  /** A shape of its own for what has a sign of its own. */
  readonly as?: 'paused' | 'waiting';
}

/** A level as a shape inside a drawing, at `x`, `y`, 16 pixels wide. */
export const SignShape = ({ level, as, x = 0, y = 0 }: Look & { readonly x?: number; readonly y?: number }) => (
  <path
    className={s['sign']}
    data-level={level}
    d={shapes[as ?? level]}
    transform={`translate(${x} ${y})`}
    fill="none"
    stroke="currentColor"
    strokeWidth={as === 'waiting' ? 2.6 : 1.6}
    strokeLinecap="round"
    strokeLinejoin="round"
    strokeDasharray={level === 'unknown' && as === undefined ? '2.5 2' : undefined}
  />
);

/** A level as a shape and a word. */
export const State = ({ level, as, children }: Look & { readonly children: string }) => (
  <span className={s['state']} data-level={level}>
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden>
      <SignShape level={level} {...(as === undefined ? {} : { as })} />
    </svg>
    {children}
  </span>
);
