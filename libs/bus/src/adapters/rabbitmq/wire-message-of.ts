import type { GetMessage, ConsumeMessage } from 'amqplib';
import type { WireMessage } from '../../wire-message.js';

/** Longest text that AMQP lets a property be when it is sent again, in bytes. */
const MAX_SHORT_TEXT = 255;
/** 9999-12-31: a later time cannot be written as RFC 3339. */
const MAX_SECONDS = 253_402_300_799;

/**
 * A message of RabbitMQ in our form. Its properties are what somebody sent: one that could not be sent again as it is (bytes that are not
 * UTF-8 grow when they are read as text) is left out, else its copy for retry or dead letter would fail for ever.
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
