import { type ChannelModel, connect } from 'amqplib';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import type { DependencyName } from '#lib/devstack/provisioning/programs';

/** For each step of a conversation with a server, the same for all: an operator waits for it. */
const ANSWER_WITHIN_MS = 4_000;

/** Whether the server behind a URL answers this caller. @throws what its client throws, within 4 s. */
export const askServer: Readonly<Record<DependencyName, (url: string) => Promise<unknown>>> = {
  postgres: (url) => askPostgres(url, 'SELECT 1'),
  rabbitmq: async (url) => {
    await (await connectRabbitmq(url)).close();
  },
  redis: async (url) => {
    const redis = new Redis(url, {
      lazyConnect: true,
      connectTimeout: ANSWER_WITHIN_MS,
      commandTimeout: ANSWER_WITHIN_MS,
      retryStrategy: null,
    });
    redis.on('error', () => undefined); // the attempt below fails with it
    try {
      await redis.connect();
      await redis.ping();
    } finally {
      redis.disconnect();
    }
  },
  chroma: async (url) => {
    const answer = await fetch(new URL('/api/v2/heartbeat', url), { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    if (!answer.ok) throw new Error(`the heartbeat answered ${answer.status}`);
  },
};

/** The first row that a statement answers. @throws what the client throws, within 4 s. */
export async function askPostgres(url: string, statement: string): Promise<Record<string, unknown> | undefined> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: ANSWER_WITHIN_MS, query_timeout: ANSWER_WITHIN_MS });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows[0];
  } finally {
    await client.end();
  }
}

/** A connection for one command. @throws within 4 s when RabbitMQ does not take it. */
export async function connectRabbitmq(url: string): Promise<ChannelModel> {
  const model = await connect(url, { timeout: ANSWER_WITHIN_MS });
  model.on('error', () => undefined); // what is under way on it fails with it
  return model;
}
