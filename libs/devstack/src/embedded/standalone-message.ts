/** What the child hears over its channel: Postgres answers; finish what is in hand and end. It takes the end of the channel for the end of its parent. */
export const BEGIN = 'begin';
export const STOP = 'stop';

/** What it says: it has its ports, and all of it runs. */
export const STARTED = 'started';
