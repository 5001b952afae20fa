import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { enrichContext, runInContext } from './context.js';
import { createLogger } from './logger.js';

const written = (level = 'trace') => {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  return { lines, logger: createLogger('gateway', level, destination) };
};

describe('a log line', () => {
  it('is JSON with level, time, service and message', () => {
    const { lines, logger } = written();

    logger.info({ durationMs: 3 }, 'stored');

    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        service: 'gateway',
        pid: process.pid,
        durationMs: 3,
        message: 'stored',
      },
    ]);
  });

  it('carries the ids of the unit of work it belongs to, also those that became known later', async () => {
    const { lines, logger } = written();

    await runInContext({ requestId: 'r-1' }, async () => {
      await Promise.resolve();
      enrichContext({ conversationId: 'c-1', messageId: 'm-1' });
      logger.info('stored');
    });
    logger.info('outside');

    expect(lines).toEqual([
      expect.objectContaining({ requestId: 'r-1', conversationId: 'c-1', messageId: 'm-1' }),
      expect.not.objectContaining({ requestId: expect.anything() }),
    ]);
  });

  it('does not mix the ids of units of work that run side by side', async () => {
    const { lines, logger } = written();
    const unit = (requestId: string) =>
      runInContext({ requestId }, async () => {
        await Promise.resolve();
        logger.info(requestId);
      });

    await Promise.all([unit('r-1'), unit('r-2')]);

    expect(lines.map(({ requestId, message }) => [requestId, message])).toEqual([
      ['r-1', 'r-1'],
      ['r-2', 'r-2'],
    ]);
  });

  it.each([
    ['content of a message', { content: 'secret' }],
    ['content inside an object', { payload: { content: 'secret' } }],
    ['content two levels down', { event: { data: { content: 'secret' } } }],
    ['token', { token: 'secret' }],
    ['token of an object', { device: { token: 'secret' } }],
    ['headers', { headers: { authorization: 'secret' } }],
    ['headers of a request', { req: { headers: { authorization: 'secret', cookie: 'secret' } } }],
    ['password', { database: { password: 'secret' } }],
  ])('never shows the %s', (_, fields) => {
    const { lines, logger } = written();

    logger.info(fields, 'handled');
    logger.child({ part: 'x' }).error(fields, 'failed');

    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  it('shows of an error its type, message, stack and code, not what else a driver hung on it', () => {
    const { lines, logger } = written();
    const cause = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
    const error = Object.assign(new Error('query failed', { cause }), {
      code: '57014',
      parameters: ['secret'],
      detail: 'Key (content)=(secret)',
    });

    logger.error({ err: error }, 'failed');

    expect(lines[0]).toMatchObject({
      err: { type: 'Error', message: 'query failed', code: '57014', cause: { code: 'ECONNRESET' } },
    });
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  it('costs little when its level is off: nothing is asked for its ids', () => {
    const { lines, logger } = written('warn');

    logger.info('stored');

    expect(lines).toEqual([]);
  });
});
