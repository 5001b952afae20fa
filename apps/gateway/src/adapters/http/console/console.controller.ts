import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { API_VERSION } from '../schema/openapi.js';
import { CONSOLE_MODE, type ConsoleMode, consolePage, consolePolicy, realtimeUrl } from './console-page.js';
import { PLAIN_PAGE, PLAIN_PAGE_POLICY } from './plain-page.js';

/** `GET /` for people with a browser: the console, or where to go from here. Programs get the 404 of an unknown route. */
@ApiExcludeController()
@Controller()
export class ConsoleController {
  private readonly page: Buffer | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CONSOLE_MODE) private readonly mode: ConsoleMode,
  ) {
    this.page = consolePage(config);
  }

  @Get()
  show(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    if (!(request.headers.accept ?? '').includes('text/html')) throw new ProblemError('not-found', 'No such route');
    void reply
      .header('content-security-policy', this.page === undefined ? PLAIN_PAGE_POLICY : consolePolicy(this.realtime(request)))
      // Asked for each time, so that a new release is seen; what it loads has its content in its name.
      .header('cache-control', 'no-cache')
      .type('text/html; charset=utf-8')
      .send(this.page ?? PLAIN_PAGE);
  }

  /** What the console must know before a user has signed in: nothing secret. */
  @Get('console.json')
  settings(@Req() request: FastifyRequest): { version: string; realtimeUrl?: string; mode: ConsoleMode } {
    const url = this.realtime(request);
    return { version: API_VERSION, ...(url === undefined ? {} : { realtimeUrl: url }), mode: this.mode };
  }

  private realtime({ headers }: FastifyRequest): string | undefined {
    return realtimeUrl(this.config, headers.host);
  }
}
