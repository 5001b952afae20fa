import { Controller, Get, Inject, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { RESOURCE_METADATA_PATH, resourceUrlOf } from './protected-resource.js';

/** Says where tokens for the MCP endpoint come from (RFC 9728), without a token. */
@ApiExcludeController()
@Controller()
export class ProtectedResourceController {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  @Get(RESOURCE_METADATA_PATH)
  show(@Req() request: FastifyRequest): object {
    const { MCP_URL: configured, MCP_AUTHORIZATION_SERVERS: servers } = this.config;
    const resource = resourceUrlOf(configured, request);
    if (resource === undefined) throw new ProblemError('validation', 'The Host of the request is not one.');
    return {
      resource,
      resource_name: 'Parley',
      bearer_methods_supported: ['header'],
      ...(servers.length === 0 ? {} : { authorization_servers: servers }),
    };
  }
}
