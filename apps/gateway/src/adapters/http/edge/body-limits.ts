import type { FastifyInstance } from 'fastify';
import { isOperations } from './operations-routes.js';

const KIB = 1_024;
/** The longest message, 16,384 UTF-16 units, written as `\uXXXX` throughout is 96 KiB, its metadata 24 KiB. */
const MESSAGE_BYTES = 128 * KIB;
/** 1,000 members of 64 characters, and a title. */
const CONVERSATION_BYTES = 128 * KIB;
/** As much as HTTP_BODY_LIMIT_BYTES says: such a body is read in a thread (large-bodies/). */
const LARGE_BYTES = Number.MAX_SAFE_INTEGER;
/** A few numbers and ids. */
const SMALL_BYTES = 4 * KIB;
/** A token of 1,024 characters, written as `\uXXXX`, and a name. */
const DEVICE_BYTES = 8 * KIB;
/** A query of 1,000 characters, written as `\uXXXX`, and a few numbers. */
const QUERY_BYTES = 16 * KIB;
/** 1,000 ids of dead letters of up to 255 characters. */
const LETTERS_BYTES = 320 * KIB;

/** How large the body of every route that takes one may be, in bytes. A route that is missing here keeps the gateway from starting. */
export const routeBodyLimitsBytes: Readonly<Record<string, number>> = {
  'POST /v1/conversations': CONVERSATION_BYTES,
  'POST /v1/conversations/end': LARGE_BYTES,
  'PUT /v1/conversations/:conversationId/members/:userId': SMALL_BYTES,
  'DELETE /v1/conversations/:conversationId/members/:userId': SMALL_BYTES,
  'PUT /v1/conversations/:conversationId/receipts': SMALL_BYTES,
  'POST /v1/conversations/:conversationId/messages': MESSAGE_BYTES,
  'PATCH /v1/messages/:messageId': MESSAGE_BYTES,
  'DELETE /v1/messages/:messageId': SMALL_BYTES,
  'POST /v1/conversations/:conversationId/context': QUERY_BYTES,
  'POST /v1/activities/suggest': SMALL_BYTES,
  'POST /v1/documents': LARGE_BYTES,
  'PUT /v1/devices/:deviceId': DEVICE_BYTES,
  'DELETE /v1/devices/:deviceId': SMALL_BYTES,
  'DELETE /v1/users/:userId/data': SMALL_BYTES,
  'POST /v1/friendship_status/calculate-score/:conversationId': SMALL_BYTES,
  'POST /v1/friendship_status/calculate-score-and-update': SMALL_BYTES,
  'POST /mcp': MESSAGE_BYTES,
  'POST /v1/admin/consistency/check': SMALL_BYTES,
  'POST /v1/admin/consistency/repair': SMALL_BYTES,
  'POST /v1/admin/outbox/unpark': LETTERS_BYTES,
  'POST /v1/admin/dead-letters/replay': LETTERS_BYTES,
  'POST /v1/admin/dead-letters/discard': LETTERS_BYTES,
};

const BODYLESS = new Set(['GET', 'HEAD']);

/** The limit of a route, 0 for one that takes no body. @throws Error for a route that was given none. */
const bodyLimitOf = (method: string, url: string): number => {
  const known = routeBodyLimitsBytes[`${method} ${url}`];
  if (known !== undefined) return known;
  if (BODYLESS.has(method) || isOperations(url)) return 0;
  throw new Error(`${method} ${url} has no body limit: give it one in apps/gateway/src/adapters/http/edge/body-limits.ts`);
};

/** Gives every route that is added from now on its limit. @param maxBytes no route takes more (HTTP_BODY_LIMIT_BYTES). */
export const giveEveryRouteItsBodyLimit = (instance: FastifyInstance, maxBytes: number): void => {
  instance.addHook('onRoute', (route) => {
    const limits = [route.method].flat().map((method) => bodyLimitOf(method, route.url));
    // Fastify takes no 0: a byte is as much as a route without a body is ever asked to read.
    route.bodyLimit = Math.max(1, Math.min(maxBytes, ...limits));
  });
};
