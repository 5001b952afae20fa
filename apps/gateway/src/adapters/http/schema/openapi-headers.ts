import { type Json, type Ref, refTo } from './json-schemas.js';

const header = (description: string, schema: Json, example: string | number): Json => ({ description, schema, example });
const text = { type: 'string' };

/** Headers of answers. */
export const headers: Readonly<Record<string, Json>> = {
  'X-Request-Id': header(
    'What to name when asking about this request',
    { type: 'string', maxLength: 200 },
    '0199a2f0-8000-7000-8000-000000000008',
  ),
  RateLimit: header(
    'What is left of your quota (draft-ietf-httpapi-ratelimit-headers): r requests, t seconds until it is full',
    text,
    '"writes";r=39;t=1',
  ),
  'RateLimit-Policy': header('Your quota: q requests in w seconds', text, '"writes";q=40;w=2'),
  'Retry-After': header('Seconds after which it is worth trying again', { type: 'integer', minimum: 1 }, 1),
  Location: header(
    'Path of what was made',
    { type: 'string', format: 'uri-reference' },
    '/v1/messages/0199a2f0-8a30-7000-8000-000000000002',
  ),
  ETag: header('Its version, for `If-Match`', { type: 'string', pattern: '^"\\d{1,9}"$' }, '"1"'),
  'Idempotency-Replayed': header('The same request was answered before: nothing was made now', { type: 'string', enum: ['true'] }, 'true'),
  'WWW-Authenticate': header('RFC 6750: `invalid_token` when a token came and is not accepted', text, 'Bearer realm="parley"'),
};

/** Headers of requests. Their descriptions where a route says more are those of the route. */
export const headerParameters: Readonly<Record<string, Json>> = {
  'X-Request-Id': {
    name: 'X-Request-Id',
    in: 'header',
    description: 'Your own id of this request, which every log line of it gets; without one the server makes one',
    schema: { type: 'string', pattern: '^[A-Za-z0-9_.:-]{1,128}$' },
  },
};

/** Schemas of the headers that routes take. */
export const headerSchemas: Readonly<Record<string, Json>> = {
  'Idempotency-Key': { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
  'If-Match': { type: 'string', maxLength: 1_000 },
};

const MADE = ['Location', 'Idempotency-Replayed'];
const ofOperations: Readonly<Record<string, readonly string[]>> = {
  createConversation: MADE,
  editMessage: ['ETag'],
  getMessage: ['ETag'],
  sendMessage: MADE,
  uploadDocument: MADE,
};

/** Headers of the answer of an operation when it succeeds. */
export const answerHeaders = (operationId: string, isOpen: boolean): Readonly<Record<string, Ref>> => {
  const own = [...(ofOperations[operationId] ?? []), ...(isOpen ? [] : ['RateLimit', 'RateLimit-Policy']), 'X-Request-Id'];
  return Object.fromEntries(own.map((name) => [name, refTo('components', 'headers', name)]));
};
