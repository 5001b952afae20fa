/** What the child hears over its channel; it takes the end of the channel for the end of its parent. */
export const STOP = 'stop';
