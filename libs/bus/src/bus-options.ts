import type { Type } from '@nestjs/common';
import type { z } from 'zod';
import type { ParleyEvent } from '#lib/contracts/events';
import type { requests } from '#lib/contracts/pipeline';
import type { Config } from '#lib/runtime/config/config';

/** What a consuming app says beside its rows of the pipeline. */
export interface ConsumerOptions {
  /** Batches handled at once, by queue, where it is not what the row says. */
  readonly concurrency?: (config: Config) => Readonly<Record<string, number>>;
  /** A provider of the app that is told of each event that became a dead letter. What could not be decoded is left out. */
  readonly deadLetters?: Type<{ mark(event: ParleyEvent): Promise<void> }>;
  /** The call of a handler with the longest limit: together with Postgres it must fit into the deadline of each row (law 1). */
  readonly slowestCall?: { readonly name: string; readonly timeoutMs: number };
}

/** A queue of questions that an app answers. */
export interface AnswerOptions {
  readonly queue: keyof typeof requests;
  /** What a question must be; anything else is dropped unanswered. */
  readonly question: z.ZodType;
  /** A provider of the app. */
  readonly by: Type<{ answer(question: unknown): Promise<unknown> }>;
  /** Questions answered at once. */
  readonly concurrency: (config: Config) => number;
}

/** What an app does with the bus beside publishing. */
export interface BusOptions {
  /** It handles its rows of the pipeline: its controllers have one `@EventPattern('<queue>')` for each. */
  readonly consumes?: true | ConsumerOptions;
  readonly answers?: AnswerOptions;
  /** QueueStatusPort, QueueWatch, QueueFill, and the probe `rabbitmq`. */
  readonly queues?: true;
  /** RequesterPort; `timeoutMs` is the longest wait for an answer. */
  readonly asks?: { readonly timeoutMs: number };
  /** DeadLettersPort and DeadLetters. */
  readonly deadLetters?: true;
}
