import { Body } from '@nestjs/common';
import type { FastifyInstance, preParsingHookHandler, preValidationHookHandler } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';
import { MCP_ROUTE } from '../../mcp/mcp-body.js';
import type { ByteQuota } from '../edge/byte-quota.js';
import { takeFromByteQuota } from '../edge/quotas.js';
import { workOf } from '../edge/request-work.js';
import { type BodyKindName, bodyKinds } from './body-kinds.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body of the route is handed over as the bytes that arrived. */
    takesBytes?: boolean;
  }
}

/** Large bodies go to a thread; that of an agent says in its own protocol what is wrong with it, and which quota of requests it is for. */
const routes = new Set<string>([...Object.values(bodyKinds).map(({ route }) => route), `POST ${MCP_ROUTE}`]);

/**
 * Has the edge hand over the bodies of these routes as bytes, and count those for their caller: one that is over its quota is refused before
 * its body is read. For routes that are added from now on.
 */
export const handOverBytes = (instance: FastifyInstance, quota: ByteQuota): void => {
  const refuse: preParsingHookHandler = (request, _reply, _payload, done) => {
    takeFromByteQuota(quota, workOf(request).callerKey, 'large_bodies');
    done();
  };
  const charge: preValidationHookHandler = (request, _reply, done) => {
    if (Buffer.isBuffer(request.body)) quota.charge(workOf(request).callerKey, request.body.length);
    done();
  };
  instance.addHook('onRoute', (route) => {
    if (!routes.has(`${String(route.method)} ${route.url}`)) return;
    Object.assign(route, { config: { ...route.config, takesBytes: true }, preParsing: refuse, preValidation: charge });
  });
};

/** The body of a request as bytes, for `LargeBodies.read`; described by the schema of its kind. */
export const LargeBody = (name: BodyKindName): ParameterDecorator =>
  Body({ schema: bodyKinds[name].schema, pipes: [{ transform: bytesOf }] });

const bytesOf = (body: unknown): Buffer => {
  if (Buffer.isBuffer(body)) return body;
  throw new ProblemError('validation', 'The body is missing.');
};
