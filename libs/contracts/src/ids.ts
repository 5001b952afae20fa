import { randomUUIDv7 } from 'node:crypto';
import { v5 as uuidv5 } from 'uuid';
import { z } from 'zod';

/** A user: any string of 1-64 characters `[A-Za-z0-9_.:-]`, taken from the token's `sub`. There is no user registry. */
export const UserId = z
  .string()
  .regex(/^[A-Za-z0-9_.:-]{1,64}$/, 'must be 1-64 characters of A-Z a-z 0-9 _ . : -')
  .meta({ description: 'User id: 1-64 characters [A-Za-z0-9_.:-]', examples: ['alice'] });
export type UserId = z.infer<typeof UserId>;

/**
 * Stands in place of a user whose data were erased: as the sender of what were its messages and as the creator of its conversations. One for
 * all, so that it does not tell whose they were. No token may be of this user.
 */
export const ERASED_USER: UserId = 'parley:erased';

/** A conversation's UUIDv7. Any well-formed UUID parses: an unknown one is "not found", not "invalid". */
export const ConversationId = z.uuid().toLowerCase();
export type ConversationId = z.infer<typeof ConversationId>;

/** What an ended conversation is called: a conversation of Parley, or any name of 1-128 such characters that another system gave it. */
export const EndedConversationId = z
  .string()
  .regex(/^[A-Za-z0-9_.:-]{1,128}$/, 'must be 1-128 characters of A-Z a-z 0-9 _ . : -')
  .meta({ description: 'A conversation of Parley, or the id that another system gave it: 1-128 characters [A-Za-z0-9_.:-]' });
export type EndedConversationId = z.infer<typeof EndedConversationId>;

/** A message's UUIDv7, made by the process that accepts the message. */
export const MessageId = z.uuid().toLowerCase();
export type MessageId = z.infer<typeof MessageId>;

/**
 * A new time-ordered id (UUIDv7, RFC 9562): ordered by creation to the millisecond, so indexes stay compact. Uses Node's own
 * because it draws randomness from a pool; one system call per id was 2 % of a busy gateway's CPU.
 */
export const newId = (): string => randomUUIDv7();

// A random namespace, never to be changed: it keeps our derived ids apart from those of other programs.
const DERIVED_IDS = '5b0c7a52-6f0e-4c39-9d55-6c1e1f0b3a84';

/** A derived id (UUIDv5): the same parts always give the same id, so a repetition is recognised. */
export const derivedId = (...parts: readonly string[]): string => uuidv5(JSON.stringify(parts), DERIVED_IDS);
