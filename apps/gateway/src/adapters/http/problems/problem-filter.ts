import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ProblemError } from '#lib/contracts/problems';
import { PROBLEM_TYPE, problemErrorOf, renderProblem, retryAfterOf } from './problems.js';
import { workOf } from '../edge/request-work.js';

/** Answers every error, also of Nest and Fastify, with a problem document; the log line of the request has its cause. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    sendProblem(http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>(), error);
  }
}

/** Answers `request` with the problem for `error`, unless it is answered already (its deadline came first). */
export const sendProblem = (request: FastifyRequest, reply: FastifyReply, error: unknown): void => {
  if (reply.sent) return;
  const work = workOf(request);
  const problem = problemErrorOf(error);
  work.failure = problem;
  const { requestId } = work.context;
  const retryAfter = retryAfterOf(problem);
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
  if (problem.code === 'unauthenticated') reply.header('www-authenticate', challengeOf(request, problem));
  // Bytes, because Fastify would add a charset to a text, and this media type has none.
  const body = Buffer.from(JSON.stringify(renderProblem(problem, { url: request.raw.url ?? '', requestId })));
  void reply.code(problem.status).header('x-request-id', requestId).header('cache-control', 'no-store').type(PROBLEM_TYPE).send(body);
};

// RFC 6750: `error` only when a token came and is not accepted.
const challengeOf = (request: FastifyRequest, { cause }: ProblemError): string => {
  const metadata = request.routeOptions.config.resourceMetadataOf?.(request);
  return [
    'Bearer realm="parley"',
    ...(cause === undefined ? [] : ['error="invalid_token"']),
    ...(metadata === undefined ? [] : [`resource_metadata="${metadata}"`]),
  ].join(', ');
};
