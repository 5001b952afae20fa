import { Redis, type RedisOptions } from 'ioredis';
import { fullJitter } from '#lib/runtime/work/backoff';

const CONNECT_TIMEOUT_MS = 1_000;
const COMMAND_CEILING_MS = 2_000;
// Silence after a command for this long means that the other side is gone, whatever TCP thinks.
const SOCKET_SILENCE_MS = 5_000;
// Redis must be in use again within 12 s of its recovery: breaker reset 10 s, and this.
const RECONNECT = { baseMs: 200, capMs: 1_000 } as const;

/**
 * A connection to Redis that fails fast: a command is refused at once while there is no connection, nothing waits for longer than 2 s,
 * nothing is sent twice. It reconnects for ever. Returns at once, connected or not; end it with `disconnect()`.
 * @param connectionName as `CLIENT LIST` shows it, e.g. `parley-gateway`.
 * @param onError told about each failed connection (rate: one per attempt); ioredis throws when there is no listener.
 * @param overrides what a connection of another use needs otherwise, e.g. a subscription.
 */
export const connectRedis = (
  url: string,
  connectionName: string,
  onError: (error: Error) => void,
  overrides: Pick<RedisOptions, 'autoResubscribe' | 'commandTimeout'> = {},
): Redis => {
  const redis = new Redis(url, {
    connectionName,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_CEILING_MS,
    socketTimeout: SOCKET_SILENCE_MS,
    keepAlive: 5_000,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt) => Math.ceil(fullJitter(attempt, RECONNECT)),
    // A failover leaves us connected to what is now a replica: it takes reads and refuses writes for ever.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    ...overrides,
  });
  redis.on('error', onError);
  return redis;
};
