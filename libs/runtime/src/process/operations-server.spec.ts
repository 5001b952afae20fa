import { EventEmitter } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { eventually } from '#lib/testing/eventually';
import { type ProcessHost, runProcess } from './run-process.js';

/** A process that notes how it ended instead of ending. */
class RecordingHost extends EventEmitter implements ProcessHost {
  readonly exits: number[] = [];
  private readonly end = Promise.withResolvers<void>();
  readonly lines: string[] = [];
  readonly stderr = { write: (text: string) => this.lines.push(text) };
  readonly logTo = { write: (line: string) => void this.lines.push(line) };

  constructor(readonly env: NodeJS.ProcessEnv) {
    super();
  }

  exit(code: number): void {
    this.exits.push(code);
    this.end.resolve();
  }

  get ended(): Promise<void> {
    return this.end.promise;
  }
}

const settings = {
  DATABASE_URL: 'postgres://db/parley',
  RABBITMQ_URL: 'amqp://mq',
  CHROMA_URL: 'http://chroma',
  HOST: '127.0.0.1',
};

describe('the operations port', () => {
  let host: RecordingHost;
  let stopped = Promise.withResolvers<void>();
  let taken: Server | undefined;
  afterEach(async () => {
    stopped.resolve();
    host.emit('SIGTERM', 'SIGTERM');
    await host.ended;
    taken?.close();
  });

  /** A process whose start and stop end when the test says so. */
  const begin = async () => {
    const [port = 0] = await freePorts(1);
    const started = Promise.withResolvers<void>();
    stopped = Promise.withResolvers<void>();
    host = new RecordingHost({ ...settings, PORT: '0', OPERATIONS_PORT: String(port) });
    const stop = async () => stopped.promise;
    void runProcess({ service: 'test', drainMs: () => 10_000, start: async () => started.promise.then(() => stop) }, host);
    const ask = async (path: string, method = 'GET') => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { connection: 'close' } });
      return { status: answer.status, text: await answer.text(), headers: answer.headers };
    };
    await eventually(() => ask('/livez'));
    return { ask, started };
  };

  it('answers before the process has started, while it drains, and no longer than it runs', async () => {
    const { ask, started } = await begin();
    expect([(await ask('/livez')).status, (await ask('/readyz')).status]).toEqual([200, 503]);
    started.resolve();
    await eventually(async () => expect((await ask('/readyz')).status).toBe(200));
    host.emit('SIGTERM', 'SIGTERM');
    await eventually(async () => expect((await ask('/readyz')).text).toContain('not-ready'));
    expect([(await ask('/livez')).status, (await ask('/metrics')).status]).toEqual([200, 200]);
    expect(host.exits).toEqual([]);
    stopped.resolve();
    await eventually(() => expect(host.exits).toEqual([0]));
    await expect(ask('/livez')).rejects.toThrow('fetch failed');
  });

  it('serves the three endpoints as the public port does, and nothing else', async () => {
    const { ask, started } = await begin();
    started.resolve();
    const alive = await ask('/livez');
    expect([alive.text, alive.headers.get('cache-control')]).toEqual(['{"status":"alive"}', 'no-store']);
    const metrics = await ask('/metrics');
    expect(metrics.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(metrics.text).toContain('nodejs_eventloop_utilization');
    expect((await ask('/livez', 'HEAD')).text).toBe('');
    expect([(await ask('/v1/health')).status, (await ask('/')).status]).toEqual([404, 404]);
    const posted = await ask('/metrics', 'POST');
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('that is taken ends the process with a message that names port and setting', async () => {
    const [port = 0] = await freePorts(1);
    taken = createServer().listen(port, '127.0.0.1');
    host = new RecordingHost({ ...settings, OPERATIONS_PORT: String(port) });
    await runProcess({ service: 'test', drainMs: () => 0, start: async () => async () => undefined }, host);
    expect(host.exits).toEqual([1]);
    expect(host.lines.join('')).toContain(`port ${port} is taken: give this process another one with OPERATIONS_PORT`);
  });

  it('is refused when it is the public port', async () => {
    host = new RecordingHost({ ...settings, PORT: '9090', OPERATIONS_PORT: '9090' });
    await runProcess({ service: 'test', drainMs: () => 0, start: async () => async () => undefined }, host);
    expect(host.exits).toEqual([78]);
    expect(host.lines.join('')).toContain('OPERATIONS_PORT: must differ from PORT');
  });
});
