import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpScrape } from './http-scrape.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
const scrapeOf = (targets: readonly string[], resolve?: (host: string) => Promise<readonly string[]>) => {
  const scrape = new HttpScrape(targets, undefined, resolve);
  closing.push(() => scrape.close());
  return scrape.round(AbortSignal.timeout(10_000));
};
const text = (service: string) => `build_info{service="${service}",version="1"} 1\nup 1\n`;

describe('A round over HTTP', () => {
  it('holds what each process said, under the name of its service', async () => {
    const [a, b] = [await serve((_, response) => response.end(text('gateway'))), await serve((_, response) => response.end('up 1'))];
    const { processes, failed } = await scrapeOf([`http://127.0.0.1:${a}/metrics`, `http://127.0.0.1:${b}/metrics`]);
    expect(processes.map(({ target, service, samples }) => [target, service, samples.length])).toEqual([
      [`http://127.0.0.1:${a}/metrics`, 'gateway', 2],
      [`http://127.0.0.1:${b}/metrics`, 'unknown', 1],
    ]);
    expect(failed).toEqual([]);
  });

  it('takes every way to fail as data, beside those that answer', async () => {
    const good = await serve((_, response) => response.end(text('ops')));
    const refusing = await serve((_, response) => response.writeHead(503).end());
    const cutting = await serve((request) => request.socket.destroy());
    const endless = await serve((_, response) => response.end('a 1\n'.repeat(1_500_000)));
    const silent = await serve(() => undefined);
    const urls = [1, refusing, cutting, endless, silent, good].map((port) => `http://127.0.0.1:${port}/metrics`);
    const startedAt = performance.now();
    const { processes, failed } = await scrapeOf(urls);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(processes.map(({ service }) => service)).toEqual(['ops']);
    expect(failed.map(({ code }) => code)).toEqual([
      'ECONNREFUSED',
      'HTTP_503',
      'UND_ERR_SOCKET',
      'UND_ERR_RES_EXCEEDED_MAX_SIZE',
      'timeout',
    ]);
    expect(failed.map(({ target }) => target)).toEqual(urls.slice(0, 5));
  });

  it('asks every address behind a name', async () => {
    const port = await serve((_, response) => response.end(text('realtime')));
    const { processes, failed } = await scrapeOf([`dns+http://parley-realtime:${port}/metrics`], async () => ['127.0.0.2', '127.0.0.1']);
    expect(processes.map(({ target, service }) => [target, service])).toEqual([[`http://127.0.0.1:${port}/metrics`, 'realtime']]);
    expect(failed).toEqual([{ target: `http://127.0.0.2:${port}/metrics`, code: 'ECONNREFUSED', isAddress: true }]);
  });

  it('says which name cannot be looked up', async () => {
    const notFound = async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
    expect((await scrapeOf(['dns+http://nowhere:9090/metrics'], notFound)).failed).toEqual([
      { target: 'dns+http://nowhere:9090/metrics', code: 'ENOTFOUND' },
    ]);
  });

  it('sends user and password, and shows neither', async () => {
    const port = await serve((request, response) => response.end(`got{header="${request.headers.authorization ?? ''}"} 1`));
    const { processes } = await scrapeOf([`http://us:secret@127.0.0.1:${port}/metrics`]);
    expect(processes[0]?.samples[0]?.labels['header']).toMatch(/^Basic /);
    expect(processes[0]?.target).toBe(`http://127.0.0.1:${port}/metrics`);
  });

  it('ends with its signal', async () => {
    const port = await serve(() => undefined);
    const scrape = new HttpScrape([`http://127.0.0.1:${port}/metrics`]);
    closing.push(() => scrape.close());
    await expect(scrape.round(AbortSignal.timeout(50))).rejects.toThrow(/aborted|timeout/i);
  });
});
