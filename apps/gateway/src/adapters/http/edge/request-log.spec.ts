import { afterEach, expect, it } from 'vitest';
import { MessageStorePort } from '#lib/conversations/message-store.port';
import { DependencyError } from '#lib/resilience/call/errors';
import { eventually } from '#lib/testing/eventually';
import { mintToken } from '#lib/devstack/mint-token';
import { newId } from '#lib/contracts/ids';
import { bootGateway, closeGateways, SECRET } from '../../../memory-gateway.contract.js';

afterEach(closeGateways);

it('the log of requests warns of a 503 with what was behind it, and of a flood of them not once each', async () => {
  const lines: Record<string, unknown>[] = [];
  const app = await bootGateway({ logTo: lines });
  app.get(MessageStorePort).find = async () => {
    throw new DependencyError('postgres', 'reads', 'open');
  };
  const headers = { authorization: `Bearer ${await mintToken(SECRET, { user: 'alice' })}` };
  const url = `/v1/messages/${newId()}`;

  const answers = await Promise.all(Array.from({ length: 20 }, () => app.inject({ url, headers })));

  expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([503]));
  const requests = () => lines.filter(({ message }) => message === 'request');
  await eventually(() => expect(requests()).toHaveLength(20));
  const warnings = requests().filter(({ level }) => level === 'warn');
  expect(warnings[0]).toMatchObject({ status: 503, code: 'dependency-unavailable', reason: 'postgres reads: open', alsoRefused: 0 });
  expect(warnings.length).toBeLessThan(10);
});
