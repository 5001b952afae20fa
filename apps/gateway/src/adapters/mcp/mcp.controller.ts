import { Controller, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';
import { LIMITERS, type Limiters } from '#lib/resilience/limit/limiters';
import { Pressure } from '#lib/resilience/load/pressure';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { takeFromRequestQuota } from '../http/edge/quotas.js';
import { callerOf } from '../http/routes/parameters.js';
import { AgentTools } from './agent-tools.js';
import { MCP_ROUTE, messageOf, NotAMessage } from './mcp-body.js';
import { McpServer } from './mcp-server.js';
import { ToolCalls } from './tool-calls.js';
import type { AgentTool } from './tools/agent-tool.js';

/** `POST /mcp`: the Model Context Protocol for agents, as the user of the token. It is described by itself (`tools/list`), not by the OpenAPI document. */
@ApiExcludeController()
@Controller()
export class McpController {
  private readonly server: McpServer;
  private readonly calls: ToolCalls;
  private readonly origins: ReadonlySet<string>;

  constructor(
    private readonly tools: AgentTools,
    @Inject(LIMITERS) private readonly limiters: Limiters,
    @Inject(CONFIG) config: Config,
    @Inject(LOGGER) logger: Logger,
    pressure: Pressure,
  ) {
    this.server = new McpServer(tools.all);
    this.calls = new ToolCalls(pressure, logger);
    this.origins = new Set(config.CORS_ORIGINS);
  }

  @Post(MCP_ROUTE)
  async handle(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const message = readFrom(request);
    const tool = this.calledBy(message);
    const refusal = await this.charge(tool, request, reply);
    if (reply.sent) return; // its deadline was over
    this.verifyOrigin(request.headers.origin);
    if (message instanceof NotAMessage) return void reply.code(400).send(message.answer);

    const answer = await this.server.answer({ message, headers: request.headers }, (name, given) => {
      const named = this.tools.named(name);
      return named && this.calls.run({ tool: named, arguments: given, request, caller: callerOf(request), refusal });
    });
    const body = await answer.text();
    if (reply.sent) return;
    void reply.code(answer.status);
    void (body === '' ? reply.send() : reply.type('application/json').send(body));
  }

  /** The protocol asks for it: a page that had its name point to this machine sends the name of its own origin. */
  private verifyOrigin(origin: string | undefined): void {
    if (origin === undefined || this.origins.has(origin) || this.origins.has('*')) return;
    throw new ProblemError('forbidden', 'Pages of this origin may not call the tools: CORS_ORIGINS does not name it.');
  }

  private calledBy(message: object): AgentTool | undefined {
    const { method, params } = message as { method?: unknown; params?: { name?: unknown } | null };
    return method === 'tools/call' ? this.tools.named(params?.name) : undefined;
  }

  /**
   * Counts a tool call as the route that it stands for, and any other request as a read. A refused call is told to the model, so that it waits.
   * @returns why the call is refused. @throws ProblemError for any other request.
   */
  private async charge(tool: AgentTool | undefined, request: FastifyRequest, reply: FastifyReply): Promise<ProblemError | undefined> {
    const [method = 'GET'] = tool?.route.split(' ') ?? [];
    try {
      await takeFromRequestQuota(this.limiters, callerOf(request), method, reply);
      return undefined;
    } catch (error) {
      if (tool === undefined || !(error instanceof ProblemError)) throw error;
      return error;
    }
  }
}

const readFrom = (request: FastifyRequest): object => {
  try {
    return messageOf(request);
  } catch (error) {
    if (error instanceof NotAMessage) return error;
    throw error;
  }
};
