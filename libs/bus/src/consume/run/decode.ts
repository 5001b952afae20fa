import { type EventType, eventSchemas, type ParleyEvent } from '#lib/contracts/events';
import { NotKnownYet, Reject } from '../../outcome.js';
import { MAX_BODY_BYTES, type WireMessage } from '../../wire-message.js';

/**
 * Parses and validates a message against the schema of its event; unknown fields are dropped.
 * @throws Reject when no version of this code can handle it; NotKnownYet for a type or schema version that a newer one may know.
 */
export const decode = (message: WireMessage, hears: readonly EventType[]): ParleyEvent => {
  if (message.body.byteLength > MAX_BODY_BYTES) throw new Reject(`body of ${message.body.byteLength} bytes is too large`);
  const envelope = parse(message.body);
  const { type, version } = envelope;
  if (!isEventType(type)) throw unknownType(type);
  if (!hears.includes(type)) throw new NotKnownYet(`${type} is not for this queue`);
  if (isNewer(version)) throw new NotKnownYet(`${type} has version ${version} of its schema`);
  const result = eventSchemas[type].safeParse(envelope);
  if (result.success) return result.data;
  // Paths and messages of custom checks only: zod's own messages may quote values, which are user content.
  const faults = result.error.issues.map(
    ({ path, code, message: why }) => `${path.join('.') || '(root)'} ${code === 'custom' ? why : code}`,
  );
  throw new Reject(`${type} breaks its schema: ${faults.join(', ')}`);
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The form of any event type, those of later versions included: two words or more, as all routing keys. */
const EVENT_TYPE = /^[a-z_]{1,50}(\.[a-z_]{1,50}){1,3}$/;
/** Highest version that is taken for one. */
const MAX_VERSION = 1_000;

const unknownType = (type: unknown): Error => {
  const reason = `unknown event type ${JSON.stringify(type)?.slice(0, 100)}`;
  return typeof type === 'string' && EVENT_TYPE.test(type) ? new NotKnownYet(reason) : new Reject(reason);
};

const isNewer = (version: unknown): version is number =>
  typeof version === 'number' && Number.isInteger(version) && version > 1 && version <= MAX_VERSION;

const parse = (body: Buffer): { readonly type?: unknown; readonly version?: unknown } => {
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
