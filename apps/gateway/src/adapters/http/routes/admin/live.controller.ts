import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { adminSections } from '#lib/contracts/admin-live';
import { ProblemError } from '#lib/contracts/problems';
import { workOf } from '../../edge/request-work.js';
import { AdminStreams } from '../../live/admin-streams.js';

const EVENTS =
  `Server-sent events. Each has the name of a section (${Object.keys(adminSections).join(', ')}) and as its data the whole section as JSON, ` +
  'which replaces the one before: first all of them, then those that change, each at most once a second. ' +
  '`{"state":"unknown"}`: its source does not answer. A comment comes every 15 s, `goaway` is the last event: docs/reference/api.md.';

const EXAMPLE =
  'event: outbox\ndata: {"state":"known","at":"2026-01-31T09:30:00.000Z","pending":0,"isEstimate":false,"oldestAgeSeconds":0,"parked":0}\n\n';

const HEAD = {
  'content-type': 'text/event-stream; charset=utf-8',
  // The connection ends with its stream, so that it does not hold up a process that stops.
  connection: 'close',
  // Proxies must neither keep nor compress it: they would hold events back until they have enough of them. The other is for nginx.
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
} as const;

/** One picture of everything, kept up to date. */
@ApiTags('admin')
@Controller('v1/admin/live')
export class AdminLiveController {
  constructor(private readonly streams: AdminStreams) {}

  /** The deadline of the route is that of its head; the stream ends with the token, after an hour, or when the process stops. */
  @Get()
  @ApiOperation({ operationId: 'watchLive', summary: 'The whole pipeline live, as a stream of events' })
  @ApiOkResponse({ description: EVENTS, content: { 'text/event-stream': { schema: { type: 'string' }, example: EXAMPLE } } })
  watch(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const work = workOf(request);
    if (work.caller === undefined) throw new ProblemError('unauthenticated', 'Send a token: Authorization: Bearer <JWT>.');
    void reply.headers(HEAD);
    // Fastify makes a HEAD of each GET: nothing would read its stream.
    if (request.method === 'HEAD') return void reply.send();
    void reply.send(this.streams.begin(work.caller));
  }
}
