import { z } from 'zod';
import { ConversationId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';

/** Where a page of conversations ended: the last one's activity (milliseconds since 1970) and id. */
export interface PagePosition {
  readonly at: number;
  readonly id: ConversationId;
}

// Dates that both JavaScript and Postgres can hold; a forged cursor must not become a database error.
const Position = z.tuple([z.int().min(0).max(8_640_000_000_000_000), ConversationId]);

/** The position as an opaque text for clients. */
export const cursorOf = ({ at, id }: PagePosition): string => Buffer.from(JSON.stringify([at, id])).toString('base64url');

/** The position behind a cursor. @throws ProblemError `validation` for a text that is no cursor of ours. */
export const positionOf = (cursor: string): PagePosition => {
  try {
    const [at, id] = Position.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
    return { at, id };
  } catch (cause) {
    throw new ProblemError('validation', 'The cursor is not one that was given out.', {
      cause,
      errors: [{ pointer: '/cursor', message: 'must be the nextCursor of an earlier page' }],
    });
  }
};
