import { isUtf8 } from 'node:buffer';
import type { FastifyRequest } from 'fastify';
import { isOfModestShape } from '../http/edge/json-shape.js';

/** The route of the endpoint. */
export const MCP_ROUTE = '/mcp';

/** Codes of JSON-RPC 2.0. */
const PARSE_ERROR = -32_700;
const INVALID_REQUEST = -32_600;

/** A body that is no message of the protocol, as JSON-RPC says it. */
export class NotAMessage extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
    this.name = 'NotAMessage';
  }

  /** The answer, with status 400. No id: it could not be read, or there were several. */
  get answer(): object {
    return { jsonrpc: '2.0', error: { code: this.code, message: this.message }, id: null };
  }
}

/**
 * The one message of a body. A batch is refused, as the protocol does since 2025-06-18: its calls would share one deadline and one place in flight.
 * @throws NotAMessage.
 */
export const messageOf = (request: FastifyRequest): object => {
  const { body } = request;
  if (!Buffer.isBuffer(body)) throw new NotAMessage(INVALID_REQUEST, 'Send one JSON-RPC message as the body.');
  if (!isUtf8(body)) throw new NotAMessage(PARSE_ERROR, 'The body is not UTF-8.');
  if (!isOfModestShape(body)) throw new NotAMessage(PARSE_ERROR, 'The body is nested too deeply or has too many values.');
  const message = parsedAs(request, body.toString());
  if (Array.isArray(message)) throw new NotAMessage(INVALID_REQUEST, 'Batches are not taken: send one message per request.');
  if (message === null || typeof message !== 'object') throw new NotAMessage(INVALID_REQUEST, 'A message is a JSON object.');
  return message;
};

// As bodies of other routes: `__proto__` and `constructor.prototype` are refused.
const parsedAs = (request: FastifyRequest, text: string): unknown => {
  const parse = request.server.getDefaultJsonParser('error', 'error') as (
    request: FastifyRequest,
    text: string,
    done: (error: Error | null, value?: unknown) => void,
  ) => void;
  let outcome: { readonly error: Error | null; readonly value?: unknown } | undefined;
  parse(request, text, (error, value) => (outcome ??= { error, value }));
  if (outcome === undefined || outcome.error !== null) throw new NotAMessage(PARSE_ERROR, 'The body is not valid JSON.');
  return outcome.value;
};
