import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { mintToken } from '#lib/devstack/mint-token';
import { JobStorePort } from '#lib/jobs/job-store.port';
import { bootGateway, closeGateways, SECRET } from '../memory-gateway.contract.js';

let gateway: NestFastifyApplication;
beforeEach(async () => {
  gateway = await bootGateway();
});
afterEach(closeGateways);

const erase = async (userId: string, scopes: readonly ('service' | 'admin')[] = ['admin']) => {
  const authorization = `Bearer ${await mintToken(SECRET, { user: 'olga', scopes })}`;
  const url = `/v1/users/${userId}/data`;
  const answer = await gateway.getHttpAdapter().getInstance().inject({ method: 'DELETE', url, headers: { authorization } });
  return { status: answer.statusCode, body: JSON.parse(answer.body) as Record<string, unknown> };
};
const jobs = () => gateway.get<JobStorePort>(JobStorePort, { strict: false });

describe('DELETE /v1/users/{userId}/data', () => {
  it.each(['alice', 'a.b_c:d-9', 'x'.repeat(64), 'parley%3Aerased'])(
    'starts one job for %s, however often it is asked for',
    async (userId) => {
      const first = await erase(userId);
      expect(first).toEqual({ status: 202, body: { jobId: expect.any(String) } });
      expect(await erase(userId)).toEqual(first);
      const job = await jobs().find(String(first.body['jobId']));
      expect(job).toMatchObject({ kind: 'erasure', status: 'queued', subject: decodeURIComponent(userId), ownerId: 'olga' });
    },
  );

  it.each([[[]], [['service']]] as const)('is refused to a token with the scopes %j', async (scopes) => {
    expect((await erase('alice', scopes)).status).toBe(403);
  });

  it.each(['x'.repeat(65), 'al%20ice', 'al%0aice', "a'%20OR%20''='", '%2e%2e%2fbob', 'a%00b', '%F0%9F%98%80', '*'])(
    'refuses what is no user id: %s',
    async (userId) => {
      expect((await erase(userId)).status).toBe(400);
    },
  );
});
