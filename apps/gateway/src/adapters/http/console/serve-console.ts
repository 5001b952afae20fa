import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import type { Config } from '#lib/runtime/config/config';
import { assetsFolder, hasConsole } from './console-page.js';

/** Serves what the page of the console loads, under `/assets/`. Browsers keep it for a year; it is sent as it was compressed by the build. */
export function serveConsole(instance: FastifyInstance, config: Pick<Config, 'CONSOLE'>): void {
  if (!hasConsole(config)) return;
  void instance.register(fastifyStatic, {
    root: assetsFolder(),
    prefix: '/assets/',
    decorateReply: false,
    preCompressed: true,
    immutable: true,
    maxAge: '1y',
    schemaHide: true,
  });
}
