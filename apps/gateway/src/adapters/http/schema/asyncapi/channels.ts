import { EVENTS_EXCHANGE } from '#lib/contracts/pipeline';
import type { QueuePlan } from '#lib/bus/topology';
import { type Json, type Ref, refTo } from '../json-schemas.js';

/** A part of an AsyncAPI document. */
export interface DocumentPart {
  readonly channels: Readonly<Record<string, Json>>;
  readonly operations: Readonly<Record<string, Json>>;
  readonly messages: Readonly<Record<string, Json>>;
}

const BROKER: readonly Ref[] = [refTo('servers', 'rabbitmq')];

/** Messages of a channel, by their names among the components. */
export const messagesOf = (names: readonly string[]): Readonly<Record<string, Ref>> =>
  Object.fromEntries(names.map((name) => [name, refTo('components', 'messages', name)]));

/** The same messages as an operation names them. */
export const inChannel = (channel: string, names: readonly string[]): readonly Ref[] =>
  names.map((name) => refTo('channels', channel, 'messages', name));

/** A routing key of an exchange. */
export const exchangeChannel = (
  address: string,
  exchange: { readonly name: string; readonly type: string },
  about: { readonly title: string; readonly description: string },
  messages: readonly string[],
): Json => ({
  address,
  ...about,
  servers: BROKER,
  messages: messagesOf(messages),
  bindings: { amqp: { is: 'routingKey', exchange: { ...exchange, durable: true, autoDelete: false }, bindingVersion: '0.3.0' } },
});

/** A durable queue, bound to routing keys of the exchange of events where it hears any. */
export const queueChannel = (
  plan: QueuePlan,
  title: string,
  messages: readonly string[],
  description: string,
  boundTo?: readonly string[],
): Json => ({
  address: plan.name,
  title,
  description,
  servers: BROKER,
  messages: messagesOf(messages),
  bindings: {
    amqp: { is: 'queue', queue: { name: plan.name, durable: true, exclusive: false, autoDelete: false }, bindingVersion: '0.3.0' },
  },
  // The binding of AsyncAPI for AMQP has no place for either.
  'x-queue-arguments': plan.arguments,
  ...(boundTo === undefined ? {} : { 'x-bound-to': { exchange: EVENTS_EXCHANGE, routingKeys: boundTo } }),
});

/** Where answers to questions arrive. */
export const replyChannel = (title: string, messages: readonly string[]): Json => ({
  address: null,
  title: `Answers: ${title}`,
  description: 'Direct reply-to of RabbitMQ: the broker names the address in `reply_to` of each question.',
  servers: BROKER,
  messages: messagesOf(messages),
});

/** Milliseconds for people. */
export const seconds = (ms: number): string => `${ms / 1_000} s`;
