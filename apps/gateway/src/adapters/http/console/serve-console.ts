import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import type { Config } from '#lib/runtime/config/config';
import { assetsFolder, hasConsole } from './console-page.js';

/**
 * Serves what the page of the console loads, under `/assets/`: a route for each file, so that any other path there is an unknown one.
 * Browsers keep them for a year; they are sent as they were compressed when the console was built.
 */
export function serveConsole(instance: FastifyInstance, config: Pick<Config, 'CONSOLE'>): void {
  if (!hasConsole(config)) return;
  void instance.register(fastifyStatic, {
    root: assetsFolder(),
    prefix: '/assets/',
    wildcard: false,
    globIgnore: ['**/*.{br,gz}'],
    decorateReply: false,
    preCompressed: true,
    immutable: true,
    maxAge: '1y',
    schemaHide: true,
  });
}
