import type { z } from 'zod';
import { ProblemError } from '#lib/contracts/problems';
import { ClientFrame, type HelloFrame, type SendFrame } from '#lib/contracts/socket';
import { sentenceOf } from '#lib/contracts/validation-messages';

/** A frame that is none of the protocol: the socket is closed with 4400 and these words. */
export class BadFrame extends Error {
  override readonly name = 'BadFrame';
}

/** A frame that is an object with a `type`, and nothing else of it known. */
export interface RawFrame {
  readonly type: unknown;
  readonly ref?: unknown;
}

/** The JSON of a frame. @throws BadFrame. */
export const rawFrameOf = (data: Buffer): RawFrame => {
  let value: unknown;
  try {
    value = JSON.parse(data.toString('utf8'));
  } catch {
    throw new BadFrame('not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new BadFrame('not an object');
  return value as RawFrame;
};

/** @throws BadFrame when it is not exactly a frame of the protocol. */
export const clientFrameOf = (raw: RawFrame): ClientFrame => {
  const result = ClientFrame.safeParse(raw);
  if (result.success) return result.data;
  throw badFrame(result.error);
};

/** The first frame of a socket. @throws BadFrame for any other. */
export const helloOf = (raw: RawFrame): HelloFrame => {
  if (raw.type !== 'hello') throw new BadFrame('the first frame must be hello');
  return clientFrameOf(raw) as HelloFrame;
};

/** Fields of a `send` whose values are the user's: wrong ones are answered, not punished. */
const ANSWERED = new Set<PropertyKey | undefined>(['content', 'clientMessageId', 'conversationId']);

/** @throws ProblemError `validation` for a text that the policy refuses, BadFrame when it is not a `send` at all. */
export const sendFrameOf = (raw: RawFrame): SendFrame => {
  const result = ClientFrame.safeParse(raw);
  if (result.success) return result.data as SendFrame;
  const { issues } = result.error;
  const [first] = issues;
  if (first === undefined || issues.some(({ path, code }) => path.length === 0 || !ANSWERED.has(path[0]) || code === 'invalid_type')) {
    throw badFrame(result.error);
  }
  throw new ProblemError('validation', `${String(first.path[0])}: ${sentenceOf(first)}`);
};

const badFrame = ({ issues: [first] }: z.ZodError): BadFrame => {
  if (first === undefined) return new BadFrame('not a frame');
  if (first.code === 'invalid_union') return new BadFrame('unknown type');
  // The name of an unknown field is the client's text: it is not repeated.
  if (first.code === 'unrecognized_keys') return new BadFrame('a field that is not one of this frame');
  return new BadFrame(`${first.path.join('.')}: ${sentenceOf(first)}`);
};
