import { currentContext } from '#lib/runtime/log/context';
import { beginWork } from '#lib/runtime/work/work-registry';
import type { Layer } from './layer.js';

/** Registers each run as work in progress, for operators and the watchdog, until it has settled (R064). */
export const registerWork =
  (queue: string, deadlineMs: number): Layer =>
  (next) =>
  async (items) => {
    const id = items[0]?.event.eventId ?? '';
    const work = beginWork(currentContext(), { kind: 'event', id, what: `${queue} x ${items.length}` });
    try {
      return await work.handle(deadlineMs, () => next(items));
    } finally {
      work.end();
    }
  };
