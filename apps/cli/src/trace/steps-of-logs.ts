import { pipeline } from '#lib/contracts/pipeline';
import { traceIdOf } from '#lib/runtime/log/traceparent';
import type { Line } from '../operator/service-logs.js';
import type { Step } from '#lib/database/traces/step';

/** What a line of a service says, in the fields that all of them have. */
export interface Entry {
  readonly service: string;
  readonly time: string;
  readonly message: string;
  readonly level: string;
  readonly requestId?: string;
  readonly traceparent?: string;
  readonly messageId?: string;
  readonly eventId?: string;
  readonly method?: string;
  readonly route?: string;
  readonly status?: number;
  readonly code?: string;
  readonly queue?: string;
  readonly event?: string;
  readonly outcome?: string;
  readonly attempt?: number;
  readonly batchSize?: number;
  readonly errorClass?: string;
  readonly durationMs?: number;
}

/** The lines that are JSON, as every line of a service but a crash is. */
export function entriesIn(lines: readonly Line[]): Entry[] {
  return lines.flatMap(({ service, text }) => {
    try {
      const entry = JSON.parse(text) as Entry;
      return typeof entry.time === 'string' ? [{ ...entry, service }] : [];
    } catch {
      return [];
    }
  });
}

/** Ids that lead to further lines. */
export interface Ids {
  readonly requestIds: Set<string>;
  readonly traceIds: Set<string>;
  readonly messageIds: Set<string>;
  readonly eventIds: Set<string>;
}

export function idsIn(entries: readonly Entry[]): Ids {
  const all = <T>(pick: (entry: Entry) => T | undefined) => new Set(entries.flatMap((entry) => pick(entry) ?? []));
  return {
    requestIds: all(({ requestId }) => requestId),
    traceIds: all(({ traceparent }) => traceIdOf(traceparent)),
    messageIds: all(({ messageId }) => messageId),
    eventIds: all(({ eventId }) => eventId),
  };
}

/** Whether a line is the one of a request or of a send over a WebSocket. */
export const isRequest = ({ message, route, requestId }: Entry): boolean =>
  requestId !== undefined && ((message === 'request' && route !== undefined) || message === 'send');

/** Whether it is the one of an event that was handled. */
export const isEvent = ({ queue, event, outcome }: Entry): boolean => queue !== undefined && event !== undefined && outcome !== undefined;

/**
 * Lines as a tree. An event is below the request that it comes from, or below the handling that announced it: the pipeline says which queue emits
 * which event. Every other line stands where it was written.
 */
export function stepsOfLogs(entries: readonly Entry[]): Step[] {
  const roots: Step[] = [];
  const requests = new Map<string, Step>();
  const handled: { readonly queue: string; readonly requestId: string | undefined; readonly step: Step }[] = [];
  for (const entry of entries) {
    if (!isRequest(entry)) continue;
    const step = requestStep(entry);
    roots.push(step);
    for (const id of [entry.requestId, traceIdOf(entry.traceparent)]) if (id !== undefined) requests.set(id, step);
  }
  const requestOf = ({ requestId = '', traceparent }: Entry) => requests.get(requestId) ?? requests.get(traceIdOf(traceparent) ?? '');
  for (const entry of entries) {
    if (!isEvent(entry)) continue;
    const step = eventStep(entry);
    const emitter = handled.findLast(({ queue, requestId }) => requestId === entry.requestId && emits(queue, entry.event));
    (emitter?.step.children ?? requestOf(entry)?.children ?? roots).push(step);
    handled.push({ queue: entry.queue ?? '', requestId: entry.requestId, step });
  }
  for (const entry of entries) if (!isRequest(entry) && !isEvent(entry)) (requestOf(entry)?.children ?? roots).push(otherStep(entry));
  return roots;
}

function emits(queue: string, event: string | undefined): boolean {
  const row = Object.entries(pipeline).find(([name]) => name === queue)?.[1];
  return row?.emits.some((type) => type === event) === true;
}

function requestStep(entry: Entry): Step {
  const { method, route, status, code, message } = entry;
  const what = message === 'send' ? 'WebSocket send' : `${method} ${route}`;
  const outcome = code ?? (status === undefined ? 'ok' : String(status));
  return { ...timesOf(entry), what, outcome, isFailed: status === undefined ? code !== undefined : status >= 400, children: [] };
}

function eventStep(entry: Entry): Step {
  const { queue, event, outcome = '', attempt = 1, batchSize = 1, errorClass } = entry;
  const details = [attempt > 1 ? `try ${attempt}` : '', batchSize > 1 ? `of ${batchSize}` : ''].filter(Boolean).join(', ');
  const what = `${event} in ${queue}${details === '' ? '' : ` (${details})`}`;
  const isFailed = outcome !== 'done';
  return {
    ...timesOf(entry),
    what,
    outcome: isFailed && errorClass !== undefined ? `${outcome} ${errorClass}` : outcome,
    isFailed,
    children: [],
  };
}

function otherStep(entry: Entry): Step {
  const { level, message } = entry;
  return { ...timesOf(entry), what: message, outcome: level, isFailed: level !== 'info' && level !== 'debug', children: [] };
}

/** A line is written when the work is over. */
function timesOf({ service, time, durationMs }: Entry): Pick<Step, 'who' | 'at' | 'durationMs'> {
  const endedAt = Date.parse(time);
  return durationMs === undefined ? { who: service, at: endedAt } : { who: service, at: endedAt - durationMs, durationMs };
}
