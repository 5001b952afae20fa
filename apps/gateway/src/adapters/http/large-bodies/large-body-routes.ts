import { Body } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';
import { type BodyKindName, bodyKinds } from './body-kinds.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body of the route is handed over as the bytes that arrived. */
    takesBytes?: boolean;
  }
}

const routes = new Set<string>(Object.values(bodyKinds).map(({ route }) => route));

/** Has the edge hand over the bodies of these routes unread. For routes that are added from now on. */
export const handOverLargeBodies = (instance: FastifyInstance): void => {
  instance.addHook('onRoute', (route) => {
    if (routes.has(`${String(route.method)} ${route.url}`)) route.config = { ...route.config, takesBytes: true };
  });
};

/** The body of a request as bytes, for `LargeBodies.read`; described by the schema of its kind. */
export const LargeBody = (name: BodyKindName): ParameterDecorator =>
  Body({ schema: bodyKinds[name].schema, pipes: [{ transform: bytesOf }] });

const bytesOf = (body: unknown): Buffer => {
  if (Buffer.isBuffer(body)) return body;
  throw new ProblemError('validation', 'The body is missing.');
};
