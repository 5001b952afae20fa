import { BaseRpcContext, type MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';
import type { ParleyEvent } from '#lib/contracts/events';
import type { PipelineRow } from '#lib/contracts/pipeline';
import type { BatchHandler } from '../../consume/run/layer.js';
import type { PipelineRows } from '../../topology.js';

/** The registered handlers differ from the pipeline; the process must not start. */
export class PipelineMismatch extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The handlers of this process and the pipeline disagree:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'PipelineMismatch';
  }
}

/** The rows of a pipeline that belong to an app. */
export const rowsOf = (app: string, pipeline: PipelineRows): PipelineRows =>
  Object.fromEntries(Object.entries(pipeline).filter(([, row]) => row.app === app));

/** A row with the concurrency configured for this process. */
export const rowOf = (rows: PipelineRows, queue: string, concurrency: Readonly<Record<string, number>> = {}): PipelineRow => {
  const row = rows[queue];
  if (row === undefined) throw new PipelineMismatch([`${queue}: no row`]);
  return { ...row, concurrency: concurrency[queue] ?? row.concurrency };
};

/**
 * The handlers of a process by queue name, as `@EventPattern('<queue>')` registered them.
 * @throws PipelineMismatch unless they are exactly the rows, one handler each.
 */
export const handlersOf = (registered: ReadonlyMap<string, MessageHandler>, rows: PipelineRows): Map<string, BatchHandler> => {
  const problems = [
    ...Object.entries(rows).flatMap(([queue, { app }]) =>
      registered.has(queue) ? [] : [`${queue}: a row of ${app}, but nothing handles it`],
    ),
    ...[...registered.keys()].flatMap((pattern) => (pattern in rows ? [] : [`${pattern}: handled here, but no row of this app`])),
    ...[...registered].flatMap(([pattern, { next }]) => (next === undefined ? [] : [`${pattern}: handled twice`])),
  ];
  if (problems.length > 0) throw new PipelineMismatch(problems);
  return new Map([...registered].map(([queue, handler]) => [queue, called(queue, handler)]));
};

/** Nest's handler as a batch handler: called once per batch with the array of its events. */
const called =
  (queue: string, handler: MessageHandler): BatchHandler =>
  async (events) => {
    const value = await resultOf(queue, handler, events);
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) throw new TypeError(`the handler of ${queue} returned something other than an array of events`);
    return value as ParleyEvent[];
  };

const resultOf = async (queue: string, handler: MessageHandler, events: readonly ParleyEvent[]): Promise<unknown> => {
  try {
    // Nest returns an observable or a promise of one.
    const result: unknown = await handler(events, new BaseRpcContext([queue]));
    return isObservable(result) ? await lastValueFrom(result, { defaultValue: undefined }) : result;
  } catch (error) {
    if (!isReplacement(error)) throw error;
    throw new Error(`the handler of ${queue} failed and Nest hid its error: connect it with the OriginalErrors filter`, { cause: error });
  }
};

/** Whether Nest replaced the error because no filter caught it. */
const isReplacement = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && !(error instanceof Error) && 'status' in error && error.status === 'error';
