import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { adminSections } from '#lib/contracts/admin-live';
import { mintToken } from '#lib/devstack/mint-token';
import { AdminReader } from '#lib/testing/admin-reader';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import { bootGateway, closeGateways, SECRET } from '../../../../memory-gateway.contract.js';
import { MOST_STREAMS, MOST_STREAMS_PER_USER } from '../../live/admin-streams.js';

// Some thirty connections, and gateways that take a second to let theirs go: seconds on a machine that does other things.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let gateway: NestFastifyApplication;
let url: string;
const readers: AdminReader[] = [];
beforeEach(async () => {
  gateway = await bootGateway();
  await gateway.listen(0, '127.0.0.1');
  url = await gateway.getUrl();
});
afterEach(async () => {
  await Promise.all(readers.splice(0).map((reader) => reader.close()));
  await closeGateways();
});

const tokenOf = (user: string, ttlSeconds = 60) => mintToken(SECRET, { user, scopes: ['admin'], ttlSeconds });
const open = async (user = 'olga', ttlSeconds?: number) => {
  const reader = await AdminReader.open(url, await tokenOf(user, ttlSeconds));
  readers.push(reader);
  return reader;
};

it('a reader gets the whole picture within two seconds, what it cannot know as unknown', async () => {
  const reader = await open();
  await eventually(() => expect(Object.keys(reader.picture).sort()).toEqual(Object.keys(adminSections).sort()), { timeoutMs: 2_000 });
  expect(reader.known('flow').nodes.length).toBeGreaterThan(20);
  expect(reader.known('outbox')).toMatchObject({ pending: 0 });
  expect(reader.picture.advice).toMatchObject({ state: 'unknown', reason: 'No process of the service ops answers.' });
  expect(reader.pictureLength).toBeLessThan(65_536);
});

it('a stream takes no place in flight, and its metric is the time to its head', async () => {
  const lines: Record<string, unknown>[] = [];
  const own = await bootGateway({ logTo: lines, limits: { inFlightPerUser: 1 } });
  await own.listen(0, '127.0.0.1');
  url = await own.getUrl();
  const secondsToHeads = async () => {
    const labels = 'route="/v1/admin/live",method="GET",status="200"';
    return (await metricsOf(url)).get(`http_request_duration_seconds_sum{${labels}}`) ?? 0;
  };
  const before = await secondsToHeads();
  const openedAt = performance.now();
  const reader = await open();
  expect(await open().then((second) => second.close())).toBeUndefined();
  await eventually(() => expect(reader.counts.size).toBe(Object.keys(adminSections).length));
  await eventually(() => expect(performance.now() - openedAt).toBeGreaterThan(500));
  await reader.close();
  const ended = await eventually(() => {
    const both = lines.filter(({ route }) => route === '/v1/admin/live');
    expect(both).toMatchObject([{ status: 200 }, { status: 200 }]);
    return both;
  });
  const longestMs = Math.max(...ended.map(({ durationMs }) => Number(durationMs)));
  expect(longestMs).toBeGreaterThan(400);
  expect(((await secondsToHeads()) - before) * 1_000).toBeLessThan(longestMs);
});

it('a stream says to proxies that they must not hold it back', async () => {
  const stopping = new AbortController();
  const answer = await fetch(`${url}/v1/admin/live`, {
    headers: { authorization: `Bearer ${await tokenOf('olga')}`, 'accept-encoding': 'gzip, br' },
    signal: stopping.signal,
  });
  const headers = ['content-type', 'cache-control', 'x-accel-buffering', 'content-encoding'].map((name) => answer.headers.get(name));
  stopping.abort();
  expect(headers).toEqual(['text/event-stream; charset=utf-8', 'no-store, no-transform', 'no', null]);
});

it('a stream is refused without the scope admin', async () => {
  const authorization = `Bearer ${await mintToken(SECRET, { user: 'olga', scopes: ['service'] })}`;
  expect((await fetch(`${url}/v1/admin/live`, { headers: { authorization } })).status).toBe(403);
});

it('a stream ends with the token of its reader', async () => {
  const reader = await open('olga', 3);
  await reader.ended;
  expect(reader.goaway).toEqual({ reason: 'token-expired', retryInMs: 0 });
});

it('one user has eight streams at most, a process twenty; a place is free as soon as its reader is gone', async () => {
  const first = await open('a');
  await Promise.all(Array.from({ length: MOST_STREAMS_PER_USER - 1 }, () => open('a')));
  await expect(open('a')).rejects.toThrow(/^429/);
  await Promise.all(Array.from({ length: MOST_STREAMS - MOST_STREAMS_PER_USER }, (_, i) => open(`b${i % 2}`)));
  await expect(open('c')).rejects.toThrow(/^503.*overloaded/);
  await first.close();
  await eventually(() => open('c'));
});

it('a HEAD of the stream takes no place', async () => {
  const authorization = `Bearer ${await tokenOf('olga')}`;
  for (let i = 0; i <= MOST_STREAMS; i += 1) {
    const answer = await fetch(`${url}/v1/admin/live`, { method: 'HEAD', headers: { authorization } });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  }
  await open();
});

it('a process that stops tells its readers to go, and waits for none that does not read', async () => {
  const reader = await open();
  const silent = await fetch(`${url}/v1/admin/live`, { headers: { authorization: `Bearer ${await tokenOf('mute')}` } });
  const startedAt = performance.now();
  await closeGateways();
  // Connections have a second to leave, a reader half of one: without the cut this one would stay for the minute of its token.
  expect(performance.now() - startedAt).toBeLessThan(20_000);
  await reader.ended;
  expect(reader.goaway).toEqual({ reason: 'draining', retryInMs: 1_000 });
  await silent.body?.cancel().catch(() => undefined);
});
