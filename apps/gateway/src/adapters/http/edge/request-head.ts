import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';
import type { KnownPaths } from './known-paths.js';
import { isDocs } from './operations-routes.js';
import { workOf } from './request-work.js';

/** `application/json`, with parameters if need be. */
const JSON_TYPE = /^application\/json[\t ]*(?:;|$)/i;

/**
 * Refuses what the head of a request alone shows to be impossible, before anything is counted and before its body is read: an unknown route or
 * method, two hosts, a body of another type or encoding, or one that says that it is too large. Asked before the token, because no answer says
 * more than the API description, and verifying a token would be the dearest part of it.
 * @returns the problem; undefined when there is none.
 */
export const problemOfHead = (request: FastifyRequest, reply: FastifyReply, paths: KnownPaths): ProblemError | undefined => {
  if (hostCountOf(request.raw.rawHeaders) > 1) return new ProblemError('validation', 'The request names more than one host.');
  const { url, bodyLimit } = workOf(request).route;
  if (url === undefined) return unknownRoute(request, reply, paths);
  // Source maps of the page are for those who work on Swagger UI.
  if (isDocs(url) && pathOf(request).endsWith('.map')) return new ProblemError('not-found', 'There is no such file.');
  return hasBody(request) ? problemOfBody(request, reply, bodyLimit) : undefined;
};

/** Whether a body follows the head. */
export const hasBody = ({ headers }: Pick<FastifyRequest, 'headers'>): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

const pathOf = ({ url }: FastifyRequest): string => url.split('?', 1)[0] ?? '';

const unknownRoute = (request: FastifyRequest, reply: FastifyReply, paths: KnownPaths): ProblemError => {
  const methods = paths.methodsOf(pathOf(request));
  if (methods.length === 0) return new ProblemError('not-found', 'There is no such route.');
  const allow = methods.join(', ');
  reply.header('allow', allow);
  return new ProblemError('not-found', `This route takes ${allow}.`, { status: 405 });
};

const problemOfBody = ({ method, headers }: FastifyRequest, reply: FastifyReply, bodyLimit: number): ProblemError | undefined => {
  // Nothing reads the body of these.
  if (method === 'GET' || method === 'HEAD') return undefined;
  if (!JSON_TYPE.test(headers['content-type'] ?? '')) {
    reply.header('accept', 'application/json');
    return new ProblemError('validation', 'The body must be application/json.', { status: 415 });
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    reply.header('accept-encoding', 'identity');
    return new ProblemError('validation', 'The body must not be compressed.', { status: 415 });
  }
  if (Number(headers['content-length'] ?? 0) > bodyLimit) return tooLarge(bodyLimit);
  return undefined;
};

/** The problem of a body that is larger than its route takes. */
export const tooLarge = (bodyLimit: number): ProblemError =>
  new ProblemError('payload-too-large', `The body may have ${bodyLimit} bytes here.`);

// Node keeps the first of several, and a proxy before us may have looked at the last.
const hostCountOf = (rawHeaders: readonly string[]): number => {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count;
};
