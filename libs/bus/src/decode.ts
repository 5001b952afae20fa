import { type EventType, eventSchemas, type ParleyEvent } from '#lib/contracts/events';
import { Reject } from './outcome.js';
import { MAX_BODY_BYTES, type WireMessage } from './wire-message.js';

/**
 * Parses and validates a message against the schema of its event; fields that the schema does not know are left out.
 * @throws Reject when no version of this code could ever handle it: trying again would change nothing.
 */
export const decode = (message: WireMessage, hears: readonly EventType[]): ParleyEvent => {
  if (message.body.byteLength > MAX_BODY_BYTES) throw new Reject(`body of ${message.body.byteLength} bytes is too large`);
  const envelope = parse(message.body);
  const { type } = envelope;
  if (!isEventType(type)) throw new Reject(`unknown event type ${JSON.stringify(type)?.slice(0, 100)}`);
  if (!hears.includes(type)) throw new Reject(`${type} is not for this queue`);
  const result = eventSchemas[type].safeParse(envelope);
  if (result.success) return result.data;
  // The paths and our own sentences only: the values are what people wrote, and zod's messages may quote them.
  const faults = result.error.issues.map(
    ({ path, code, message: why }) => `${path.join('.') || '(root)'} ${code === 'custom' ? why : code}`,
  );
  throw new Reject(`${type} breaks its schema: ${faults.join(', ')}`);
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

const parse = (body: Buffer): { readonly type?: unknown } => {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(body));
  } catch {
    throw new Reject('body is not JSON in UTF-8');
  }
  if (typeof value !== 'object' || value === null) throw new Reject('body is not an object');
  return value;
};

const isEventType = (type: unknown): type is EventType => typeof type === 'string' && Object.hasOwn(eventSchemas, type);
