import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MCP_ROUTE } from './mcp-body.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Where a caller without a valid token learns who gives out tokens for the route (RFC 9728); undefined when it has no address to name. */
    resourceMetadataOf?: (request: FastifyRequest) => string | undefined;
  }
}

/** Where RFC 9728 puts the metadata of the endpoint. */
export const RESOURCE_METADATA_PATH = `/.well-known/oauth-protected-resource${MCP_ROUTE}`;

/** What can stand in a header as it is; whether it is a host, a URL of it tells. */
const HOST = /^[A-Za-z0-9.:[\]-]{1,255}$/;

/** Public URL of the endpoint: as configured, else under the host that the caller used; undefined when that is no host. */
export const resourceUrlOf = (configured: string | undefined, { host, protocol }: FastifyRequest): string | undefined => {
  if (configured !== undefined) return configured;
  const url = `${protocol}://${host}${MCP_ROUTE}`;
  return HOST.test(host) && URL.canParse(url) ? url : undefined;
};

/** Has every 401 of the endpoint name its metadata, as authorization of the protocol asks. For a route that is added from now on. */
export const nameResourceMetadata = (instance: FastifyInstance, configured: string | undefined): void => {
  instance.addHook('onRoute', (route) => {
    if (route.url !== MCP_ROUTE) return;
    const resourceMetadataOf = (request: FastifyRequest): string | undefined => {
      const resource = resourceUrlOf(configured, request);
      return resource === undefined ? undefined : new URL(RESOURCE_METADATA_PATH, resource).href;
    };
    route.config = { ...route.config, resourceMetadataOf };
  });
};
