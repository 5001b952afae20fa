import type { ModuleRef } from '@nestjs/core';
import { handlerChain, verifyTimeoutChain } from '#lib/resilience/call/timeout-chain';
import type { Config } from '#lib/runtime/config/config';
import type { ConsumerOptions } from '../../bus-options.js';
import type { DeadLetterListener } from '../../consume/settle/settle.js';
import type { PipelineRows } from '../../topology.js';
import { rowsOf } from './nest-handlers.js';

/** Closing the channels after the handlers have had their time (5 s), with a margin. */
const CLOSE_CHANNELS_MS = 7_000;

/** What a server over RabbitMQ and one in memory are told alike. */
export interface Consuming {
  readonly concurrency?: Readonly<Record<string, number>>;
  readonly onDeadLetter?: DeadLetterListener;
  readonly drainMs: number;
  /** How long the server as a whole may take to stop, in milliseconds. */
  readonly stopWithinMs: number;
}

/** Reads the options of a consuming app. @throws ConfigError when a handler's calls do not fit into its deadline. */
export const consuming = (
  app: string,
  pipeline: PipelineRows,
  options: true | ConsumerOptions,
  { config, moduleRef }: { readonly config: Config; readonly moduleRef: ModuleRef },
): Consuming => {
  const { concurrency, deadLetters, slowestCall }: ConsumerOptions = options === true ? {} : options;
  if (slowestCall !== undefined) {
    for (const [queue, { deadlineMs }] of Object.entries(rowsOf(app, pipeline))) {
      verifyTimeoutChain(handlerChain(config, { queue, deadlineMs }, slowestCall));
    }
  }
  return {
    ...(concurrency && { concurrency: concurrency(config) }),
    // Found when it is needed: it belongs to the app, which is built after the bus.
    ...(deadLetters && {
      onDeadLetter: async (_, event) => (event === undefined ? undefined : moduleRef.get(deadLetters, { strict: false }).mark(event)),
    }),
    drainMs: config.BUS_DRAIN_MS,
    stopWithinMs: config.BUS_DRAIN_MS + CLOSE_CHANNELS_MS,
  };
};
