import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { IdempotencyKey as KeySchema } from '#lib/contracts/http';
import { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';

const requestOf = (context: ExecutionContext): FastifyRequest => context.switchToHttp().getRequest<FastifyRequest>();

/** The user id of whoever sent the request. The edge has seen to it that there is one. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): UserId => {
  const caller = requestOf(context).work?.caller;
  if (caller === undefined) throw new ProblemError('unauthenticated', 'Send a token: Authorization: Bearer <JWT>.');
  return caller.userId;
});

/** The `Idempotency-Key` header; undefined without one. @throws ProblemError `validation` for a malformed one. */
export const IdempotencyKey = createParamDecorator((_: unknown, context: ExecutionContext): string | undefined => {
  const header = requestOf(context).headers['idempotency-key'];
  if (header === undefined) return undefined;
  const key = KeySchema.safeParse(header);
  if (key.success) return key.data;
  throw new ProblemError('validation', 'The Idempotency-Key is not valid.', {
    errors: key.error.issues.map(({ message }) => ({ pointer: '/idempotency-key', message })),
  });
});

/** The version in the `If-Match` header (`3`, `"3"`); undefined without one or with `*`. @throws ProblemError `validation` for anything else. */
export const IfMatch = createParamDecorator((_: unknown, context: ExecutionContext): number | undefined => {
  const header = requestOf(context).headers['if-match'];
  if (header === undefined || header === '*') return undefined;
  const version = /^(?:"(\d{1,9})"|(\d{1,9}))$/.exec(header);
  if (version !== null) return Number(version[1] ?? version[2]);
  throw new ProblemError('validation', 'If-Match is not a version.', {
    errors: [{ pointer: '/if-match', message: 'must be one version number, e.g. "3"' }],
  });
});

/** Path of everything that belongs to a conversation. */
export const ConversationRef = z.strictObject({ conversationId: ConversationId });
export type ConversationRef = z.infer<typeof ConversationRef>;

export const MemberRef = z.strictObject({ conversationId: ConversationId, userId: UserId });
export type MemberRef = z.infer<typeof MemberRef>;

export const MessageRef = z.strictObject({ messageId: MessageId });
export type MessageRef = z.infer<typeof MessageRef>;
