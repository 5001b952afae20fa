import type { GetMessage, ConsumeMessage } from 'amqplib';
import type { WireMessage } from '../../wire-message.js';

/** Longest short string of AMQP, in bytes. */
const MAX_SHORT_TEXT = 255;
/** 9999-12-31, the last day of RFC 3339. */
const MAX_SECONDS = 253_402_300_799;

/**
 * A message of RabbitMQ as a wire message. Properties come from any client: one that cannot be published again as it is (bytes that are not
 * UTF-8 grow as text) is dropped, else the copy for retry or dead letter would fail for ever.
 */
export const wireMessageOf = ({ fields, properties, content }: ConsumeMessage | GetMessage): WireMessage => ({
  id: shortText(properties.messageId),
  type: shortText(properties.type) ?? shortText(fields.routingKey) ?? '',
  publishedAt: timeFrom(properties.timestamp),
  headers: properties.headers ?? {},
  body: content,
});

const shortText = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= MAX_SHORT_TEXT ? value : undefined;

const timeFrom = (seconds: unknown): Date | undefined =>
  typeof seconds === 'number' && seconds >= 0 && seconds <= MAX_SECONDS ? new Date(seconds * 1_000) : undefined;
