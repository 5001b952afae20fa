import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { findProgram } from '#lib/devstack/process/commands';
import { ServerProcess } from '#lib/devstack/process/server-process';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { objectStoreContract } from '../object-store.contract.js';
import { CalledObjectStore } from './called-object-store.js';
import { S3Objects, s3OptionsOf } from './s3-objects.js';

/** Built once per machine, which takes six minutes: `GOBIN=~/.cache/parley go install github.com/versity/versitygw/cmd/versitygw@v1.8.0`. */
const cached = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'parley', 'versitygw');
const versitygw = existsSync(cached) ? cached : findProgram('versitygw');
const moto = versitygw === undefined ? findProgram('moto_server') : undefined;
const credentials = { accessKeyId: 'test', secretAccessKey: 'testsecret' };
const BUCKET = 'parley';
const about = { contentType: 'text/plain' };

/** A server that speaks S3, with an empty bucket. */
const startS3 = async (): Promise<{ url: string; stop: () => Promise<void> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'parley-s3-'));
  await mkdir(join(folder, 'data', BUCKET), { recursive: true });
  const [port = 0] = await freePorts(1);
  const run =
    versitygw === undefined
      ? { command: moto ?? '', args: ['-H', '127.0.0.1', '-p', String(port)] }
      : { command: versitygw, args: ['--port', `127.0.0.1:${port}`, 'posix', join(folder, 'data')] };
  const server = new ServerProcess({
    ...run,
    name: 's3',
    env: { ...process.env, ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    cwd: folder,
    logFile: join(folder, 's3.log'),
    pidFile: join(folder, 's3.pid'),
    stopSignal: 'SIGTERM',
    stopWithinMs: 5_000,
    readyWithinMs: 30_000,
    probe: (signal) =>
      new Promise((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', signal });
        socket.once('connect', () => resolve(void socket.destroy())).once('error', reject);
      }),
  });
  await server.start();
  const url = `http://127.0.0.1:${port}`;
  if (moto !== undefined) await fetch(`${url}/${BUCKET}`, { method: 'PUT' });
  const stop = async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { url, stop };
};

const storeAt = (endpoint: string, { prefix = '', secret = credentials.secretAccessKey, timeoutMs = 5_000 } = {}) => {
  const url = new URL(`s3://${BUCKET}/${prefix}?endpoint=${encodeURIComponent(endpoint)}`);
  const options = s3OptionsOf(url, { ...credentials, secretAccessKey: secret });
  return new CalledObjectStore(new S3Objects(options), createBreakers(), timeoutMs);
};

// Skipped where there is no server that speaks S3: building versitygw takes Go and six minutes (see above).
describe.skipIf(versitygw === undefined && moto === undefined)('objects in S3', () => {
  objectStoreContract('S3Objects', async () => {
    const s3 = await startS3();
    const store = storeAt(s3.url, { prefix: 'some/where/' });
    return {
      store,
      clear: async () => void (await store.remove(await store.keys('', 1_000))),
      close: s3.stop,
    };
  });

  describe('when something is wrong', () => {
    let s3: Awaited<ReturnType<typeof startS3>>;
    let proxy: FaultProxy;
    beforeAll(async () => {
      s3 = await startS3();
      proxy = await FaultProxy.before(s3.url);
    });
    afterAll(async () => {
      await proxy?.stop();
      await s3?.stop();
    });

    it.each([
      ['refused', { kind: 'refuse' }],
      ['reset', { kind: 'reset' }],
      ['a black hole', { kind: 'hang' }],
      ['silent after some bytes', { kind: 'hang-after', bytes: 1_000 }],
    ] as const)('a connection that is %s fails in time, and the next call works', async (_, fault) => {
      const store = storeAt(proxy.through(s3.url), { timeoutMs: 700 });
      await proxy.heal();
      await store.put('large', Buffer.alloc(2_000_000, 'x'), about);
      await proxy.set(fault);
      const startedAt = performance.now();
      await expect(store.get('large', 3_000_000)).rejects.toMatchObject({ name: 'DependencyError', dependency: 'objectStore' });
      // Two attempts and the pause between them; a busy machine adds its own.
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      await proxy.heal();
      expect((await store.get('large', 3_000_000))?.length).toBe(2_000_000);
      store.close();
    });

    it.skipIf(versitygw === undefined)('a wrong secret is refused, and nothing of it is told', async () => {
      const store = storeAt(s3.url, { secret: 'another' });
      const failed = await store.put('a', Buffer.from('x'), about).catch((error: unknown) => error);
      expect(failed).toMatchObject({ name: 'DependencyError', kind: 'unavailable' });
      expect((failed as Error).message).not.toContain('another');
      store.close();
    });
  });
});
