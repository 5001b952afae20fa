import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { parleyVersion } from '#lib/runtime/process/parley-version';
import { CONSOLE_MODE, type ConsoleMode, consolePage, consolePolicy, hasConsole, realtimeUrl } from './console-page.js';
import { PLAIN_PAGE, PLAIN_PAGE_POLICY } from './plain-page.js';

/** `GET /` for people with a browser: the console, or where to go from here. Programs get the 404 of an unknown route. */
@ApiExcludeController()
@Controller()
export class ConsoleController {
  private readonly isServed: boolean;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CONSOLE_MODE) private readonly mode: ConsoleMode,
  ) {
    this.isServed = hasConsole(config);
  }

  @Get()
  async show(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    // A program that asks for JSON has mistaken the address.
    if (!/text\/html|\*\/\*/.test(request.headers.accept ?? '')) throw new ProblemError('not-found', 'No such route');
    const page = this.isServed ? await consolePage() : PLAIN_PAGE;
    void reply
      .header('content-security-policy', this.isServed ? consolePolicy(this.realtime(request)) : PLAIN_PAGE_POLICY)
      // Asked for each time, so that a new release is seen; what it loads has its content in its name.
      .header('cache-control', 'no-cache')
      .type('text/html; charset=utf-8')
      .send(page);
  }

  /** What the console must know before a user has signed in: nothing secret. */
  @Get('console.json')
  settings(@Req() request: FastifyRequest): { version: string; realtimeUrl?: string; mode: ConsoleMode } {
    const url = this.realtime(request);
    return { version: parleyVersion, ...(url === undefined ? {} : { realtimeUrl: url }), mode: this.mode };
  }

  private realtime({ headers }: FastifyRequest): string | undefined {
    return realtimeUrl(this.config, headers.host);
  }
}
