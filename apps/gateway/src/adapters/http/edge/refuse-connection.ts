import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { ProblemError } from '#lib/contracts/problems';
import { PROBLEM_TYPE, renderProblem, retryAfterOf } from '../problems/problems.js';

/** What Node found wrong before there was a request, and the status that says so. */
const refusals: Readonly<Record<string, ProblemError>> = {
  HPE_HEADER_OVERFLOW: new ProblemError('validation', 'The headers are too large.', { status: 431 }),
  ERR_HTTP_REQUEST_TIMEOUT: new ProblemError('timeout', 'The request did not arrive in time.', { status: 408 }),
};
const malformed = new ProblemError('validation', 'This is not HTTP.');
const tooManyConnections = new ProblemError('rate-limited', 'Your address has too many connections open.', { retryAfterSeconds: 1 });

/** Answers what never became a request (broken HTTP, endless headers, a body that does not come) with a problem document, and hangs up. */
export const refuseConnection = (error: NodeJS.ErrnoException, socket: Socket): void => {
  // The client is gone and reads no answer.
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  hangUp(socket, refusals[error.code ?? ''] ?? malformed);
};

/** Answers a connection of an address that has too many of them, before it has sent anything, and hangs up. */
export const refuseAddress = (socket: Socket): void => hangUp(socket, tooManyConnections);

const hangUp = (socket: Socket, problem: ProblemError): void => {
  const requestId = randomUUID();
  const body = JSON.stringify(renderProblem(problem, { url: '', requestId }));
  const retryAfter = retryAfterOf(problem);
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
      `content-type: ${PROBLEM_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${requestId}`,
      ...(retryAfter === undefined ? [] : [`retry-after: ${retryAfter}`]),
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
  socket.destroySoon();
};
