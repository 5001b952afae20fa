import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { IdempotencyKey as KeySchema } from '#lib/contracts/http';
import { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';

const requestOf = (context: ExecutionContext): FastifyRequest => context.switchToHttp().getRequest<FastifyRequest>();

/** The user id of the caller. The edge lets no request without one through. */
export const callerOf = ({ work }: FastifyRequest): UserId => {
  if (work?.caller === undefined) throw new ProblemError('unauthenticated', 'Send a token: Authorization: Bearer <JWT>.');
  return work.caller.userId;
};
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): UserId => callerOf(requestOf(context)));

/** Whether the caller may act for any user. */
export const IsService = createParamDecorator(
  (_: unknown, context: ExecutionContext): boolean => requestOf(context).work?.caller?.scopes.has('service') === true,
);

/** Whether the caller sees the jobs of all users: it may act for any, or is an operator. */
export const SeesAllJobs = createParamDecorator((_: unknown, context: ExecutionContext): boolean => {
  const scopes = requestOf(context).work?.caller?.scopes;
  return scopes?.has('service') === true || scopes?.has('admin') === true;
});

/** The `Idempotency-Key` header; undefined without one. @throws ProblemError `validation` for a malformed one. */
export const idempotencyKeyOf = ({ headers }: FastifyRequest): string | undefined => {
  const header = headers['idempotency-key'];
  if (header === undefined) return undefined;
  const key = KeySchema.safeParse(header);
  if (key.success) return key.data;
  throw new ProblemError('validation', 'The Idempotency-Key is not valid.', {
    errors: key.error.issues.map(({ message }) => ({ pointer: '/idempotency-key', message })),
  });
};
export const IdempotencyKey = createParamDecorator((_: unknown, context: ExecutionContext) => idempotencyKeyOf(requestOf(context)));

/**
 * The versions that the `If-Match` header allows (`3`, `"3"`, `"3", "4"`); undefined without one or with `*`. A weak tag matches nothing (RFC 9110,
 * 13.1.1), nor does one that is no version. @throws ProblemError `validation` when the header is not a list of tags at all.
 */
export const IfMatch = createParamDecorator((_: unknown, context: ExecutionContext): readonly number[] | undefined => {
  const header = requestOf(context).headers['if-match'];
  if (header === undefined || header.trim() === '*') return undefined;
  const tags = header.split(',').map((tag) => tag.trim());
  if (tags.every((tag) => ENTITY_TAG.test(tag))) return tags.flatMap((tag) => VERSION.exec(tag)?.slice(1, 2).map(Number) ?? []);
  throw new ProblemError('validation', 'If-Match is not a list of versions.', {
    errors: [{ pointer: '/if-match', message: 'must be a version as `ETag` gave it, e.g. "3", or a list of them' }],
  });
});

const ENTITY_TAG = /^(?:(?:W\/)?"[\x21\x23-\x7e]*"|\d{1,9})$/;
const VERSION = /^"?(\d{1,9})"?$/;

/** Path of everything that belongs to a conversation. */
export const ConversationRef = z.strictObject({ conversationId: ConversationId });
export type ConversationRef = z.infer<typeof ConversationRef>;

export const MemberRef = z.strictObject({ conversationId: ConversationId, userId: UserId });
export type MemberRef = z.infer<typeof MemberRef>;

export const MessageRef = z.strictObject({ messageId: MessageId });
export type MessageRef = z.infer<typeof MessageRef>;
