import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SpanReceiver } from './span-receiver.js';

let folder: string;
let receiver: SpanReceiver;
let url: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'receiver-'));
  receiver = new SpanReceiver(folder);
  url = await receiver.start();
});
afterEach(async () => {
  await receiver.stop();
  await rm(folder, { recursive: true });
});

const post = (body: unknown) => fetch(`${url}/v1/traces`, { method: 'POST', body: JSON.stringify(body) });
const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });

it('spans are kept one in a line, without their attributes', async () => {
  const answer = await post({
    resourceSpans: [
      {
        resource: { attributes: [text('service.name', 'gateway')] },
        scopeSpans: [
          {
            spans: [
              {
                name: 'send parley.events',
                kind: 4,
                traceId: 't',
                spanId: 's',
                parentSpanId: 'p',
                startTimeUnixNano: '1767225600000123000',
                endTimeUnixNano: '1767225600010123000',
                attributes: [text('messaging.rabbitmq.destination.routing_key', 'message.created'), text('app.secret', 'not kept')],
                status: { code: 2, message: 'nacked' },
              },
            ],
          },
        ],
      },
    ],
  });
  expect(answer.status).toBe(200);
  await receiver.stop();
  expect(JSON.parse(await readFile(join(folder, 'spans.log'), 'utf8'))).toEqual({
    service: 'gateway',
    name: 'send parley.events',
    traceId: 't',
    spanId: 's',
    parentSpanId: 'p',
    links: [],
    startedAt: 1767225600000.123,
    durationMs: 10,
    failure: 'nacked',
    note: 'message.created',
  });
});

it('what is no export of spans is refused, and so is one that does not end', async () => {
  expect((await post({ resourceSpans: 'none' })).status).toBe(400);
  expect((await post('x'.repeat(9_000_000)).catch(() => ({ status: 400 }))).status).toBe(400);
});
