import { Controller, Get, Inject, Logger as NestLogger, Req } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { PinoLogger } from 'nestjs-pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runInContext } from './context.js';
import { LogModule, SILENT_UNTIL_READY, useProcessLogger } from './log.module.js';
import { createLogger, LOGGER, type Logger } from './logger.js';

// nestjs-pino has one root logger per process, the first one: these tests need a process of their own, so they are not unit tests.

const lines: Record<string, unknown>[] = [];
const logger = createLogger('gateway', 'debug', { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) });

@Controller()
class Routes {
  constructor(@Inject(LOGGER) private readonly log: Logger) {}

  @Get('broken')
  broken(): never {
    throw Object.assign(new Error('broken'), { parameters: ['secret'] });
  }

  @Get('logging')
  logging(@Req() { raw }: { raw: object }): { fields: string[] } {
    runInContext({ requestId: 'r-1' }, () => this.log.info('stored'));
    return { fields: Object.keys(raw) };
  }
}

@Module({ imports: [LogModule.of(logger)], controllers: [Routes] })
class App {}

let app: NestFastifyApplication;
beforeAll(async () => {
  app = await NestFactory.create<NestFastifyApplication>(App, new FastifyAdapter(), SILENT_UNTIL_READY);
  useProcessLogger(app);
  await app.init();
});
afterAll(() => app.close());
beforeEach(() => void (lines.length = 0));

describe("Nest's own lines", () => {
  it('are debug lines with the class they come from', () => {
    new NestLogger('NestApplication').log('Nest application successfully started');

    expect(lines).toMatchObject([
      { level: 'debug', service: 'gateway', context: 'NestApplication', message: 'Nest application successfully started' },
    ]);
  });

  it('keep the stack of an error', () => {
    const error = new Error('broken');

    new NestLogger('ExceptionsHandler').error(error.message, error.stack);

    expect(lines).toMatchObject([{ level: 'error', context: 'ExceptionsHandler', message: 'broken', err: { stack: error.stack } }]);
  });

  it('show of an error that no filter caught its stack once, and not what a driver hung on it', async () => {
    expect(await app.inject('/broken')).toMatchObject({ statusCode: 500 });

    expect(lines).toMatchObject([{ level: 'error', err: { type: 'Error', message: 'broken', stack: expect.stringContaining('at ') } }]);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  it('show no message text and no tokens, however deep they stand in an object', () => {
    new NestLogger('Transport').error({ content: 'secret', nested: { deep: { text: 'secret' } } });

    expect(lines).toHaveLength(1);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });
});

describe('a line of our own', () => {
  it('carries the ids of its unit of work, through LOGGER and through PinoLogger', async () => {
    await app.inject('/logging');
    const pinoLogger = await app.resolve(PinoLogger);
    runInContext({ requestId: 'r-2' }, () => pinoLogger.info('stored'));

    expect(lines).toMatchObject([
      { level: 'info', service: 'gateway', requestId: 'r-1', message: 'stored' },
      { level: 'info', service: 'gateway', requestId: 'r-2', message: 'stored' },
    ]);
  });
});

it('nestjs-pino adds nothing to a request: no middleware, no logger of its own, no line', async () => {
  const answer = await app.inject('/logging');

  expect(answer.json<{ fields: string[] }>().fields).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(log|allLogs|id)$/)]));
  expect(lines.map(({ message }) => message)).toEqual(['stored']);
});
