/** A send: one commit, 1 s for a connection and 3 s for the statement, and room for an answer. */
const SEND_MS = 5_500;
/** The end of a conversation: its body is read in a thread, then 2 s for a connection and 3 s for the statements. */
const END_MS = 8_000;
/** Any other access to Postgres. */
const ACCESS_MS = 6_000;
/** R104; its stages have 2 s each, a reranker takes the rest. */
const SEARCH_MS = 10_000;
/** A tool call has the deadline of the route that it stands for, a search at most; loading the SDK for the first one, and an answer. */
const TOOL_MS = 11_000;
/** A body of 10 MB: read in a thread (5 s at most), and one commit. */
const UPLOAD_MS = 8_000;
/** The scoring service has 25 s (`scoring.requests`); before it Postgres is asked. R104. */
const SCORE_MS = 30_000;
/** What asks the broker (2 s) rather than Postgres. */
const BROKER_MS = 6_000;
/** Dead letters: 2 s to connect, 5 s until they are free, 5 s to look or 20 s for an order, a confirm (5 s), and giving back (3 s). */
const LETTERS_MS = 25_000;
const ORDER_MS = 45_000;

/** The deadline of every route in milliseconds, in one place. A route that is missing here keeps the gateway from starting. */
export const routeDeadlinesMs: Readonly<Record<string, number>> = {
  'POST /v1/conversations': ACCESS_MS,
  'POST /v1/conversations/end': END_MS,
  'GET /v1/conversations': ACCESS_MS,
  'GET /v1/conversations/:conversationId': ACCESS_MS,
  'PUT /v1/conversations/:conversationId/members/:userId': ACCESS_MS,
  'DELETE /v1/conversations/:conversationId/members/:userId': ACCESS_MS,
  'PUT /v1/conversations/:conversationId/receipts': ACCESS_MS,
  'POST /v1/conversations/:conversationId/messages': SEND_MS,
  'GET /v1/conversations/:conversationId/messages': ACCESS_MS,
  'GET /v1/messages/:messageId': ACCESS_MS,
  'PATCH /v1/messages/:messageId': ACCESS_MS,
  'DELETE /v1/messages/:messageId': ACCESS_MS,
  'POST /v1/documents': UPLOAD_MS,
  'GET /v1/documents/:documentId': ACCESS_MS,
  'GET /v1/presence': ACCESS_MS,
  'PUT /v1/devices/:deviceId': ACCESS_MS,
  'DELETE /v1/devices/:deviceId': ACCESS_MS,
  'POST /v1/activities/suggest': ACCESS_MS,
  'DELETE /v1/users/:userId/data': ACCESS_MS,
  'GET /v1/friendship_status/:userId': ACCESS_MS,
  'GET /v1/friendship_status/:userId/history': ACCESS_MS,
  'POST /v1/friendship_status/calculate-score/:conversationId': SCORE_MS,
  'POST /v1/friendship_status/calculate-score-and-update': ACCESS_MS,
  'GET /v1/jobs/:jobId': ACCESS_MS,
  'GET /v1/search': SEARCH_MS,
  'POST /v1/conversations/:conversationId/context': SEARCH_MS,
  'POST /mcp': TOOL_MS,
  'GET /v1/admin/queues': BROKER_MS,
  'GET /v1/admin/dead-letters': LETTERS_MS,
  'GET /v1/admin/dead-letters/:letterId': LETTERS_MS,
  'GET /v1/admin/outbox': ACCESS_MS,
  'POST /v1/admin/outbox/unpark': ACCESS_MS,
  'GET /v1/admin/consistency': ACCESS_MS,
  'POST /v1/admin/consistency/check': ACCESS_MS,
  'POST /v1/admin/consistency/repair': ACCESS_MS,
  'POST /v1/admin/dead-letters/replay': ORDER_MS,
  'POST /v1/admin/dead-letters/discard': ORDER_MS,
  'GET /v1/admin/in-flight': ACCESS_MS,
  'GET /v1/admin/breakers': ACCESS_MS,
  'GET /v1/admin/scaling-advice': ACCESS_MS,
  'GET /v1/admin/alerts': ACCESS_MS,
  'GET /v1/admin/live': ACCESS_MS,
  'GET /v1/admin/traces/:traceId': ACCESS_MS,
};

/** Routes whose answer goes on after its head, to which the deadline belongs; docs/reference/api.md says what ends each. */
export const streamingRoutes: ReadonlySet<string> = new Set(['GET /v1/admin/live']);
