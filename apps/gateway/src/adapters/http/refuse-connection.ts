import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { ProblemError } from '#lib/contracts/problems';
import { PROBLEM_TYPE, renderProblem } from './problems.js';

/** What Node found wrong before there was a request, and the status that says so. */
const refusals: Readonly<Record<string, { status: string; error: ProblemError }>> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    error: new ProblemError('validation', 'The headers are too large.'),
  },
  ERR_HTTP_REQUEST_TIMEOUT: { status: '408 Request Timeout', error: new ProblemError('timeout', 'The request did not arrive in time.') },
};
const malformed = { status: '400 Bad Request', error: new ProblemError('validation', 'This is not HTTP.') };

/** Answers what never became a request (broken HTTP, endless headers, a body that does not come) with a problem document, and hangs up. */
export const refuseConnection = (error: NodeJS.ErrnoException, socket: Socket): void => {
  // Nobody is there to read an answer.
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, error: problem } = refusals[error.code ?? ''] ?? malformed;
  const requestId = randomUUID();
  const body = JSON.stringify({ ...renderProblem(problem, { url: '', requestId }), status: Number.parseInt(status, 10) });
  socket.end(
    [
      `HTTP/1.1 ${status}`,
      `content-type: ${PROBLEM_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${requestId}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
  socket.destroySoon();
};
