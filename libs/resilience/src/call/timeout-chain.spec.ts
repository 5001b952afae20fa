import { describe, expect, it } from 'vitest';
import { ConfigError } from '#lib/runtime/config/config';
import { handlerChain, timeoutChain, verifyTimeoutChain } from './timeout-chain.js';

const defaults = { DB_POOL_TIMEOUT_MS: 1_000, DB_STATEMENT_TIMEOUT_MS: 3_000 };
const send = { name: 'send message', deadlineMs: 5_500 };

describe('the timeouts of an endpoint', () => {
  it('fit into each other as shipped', () => {
    expect(() => verifyTimeoutChain(timeoutChain(defaults, send))).not.toThrow();
  });

  it('are refused when Postgres may take longer than the endpoint, with both numbers and the variables that make them', () => {
    const chain = timeoutChain({ ...defaults, DB_STATEMENT_TIMEOUT_MS: 10_000 }, send);

    expect(() => verifyTimeoutChain(chain)).toThrow(
      'Postgres call (DB_POOL_TIMEOUT_MS + DB_STATEMENT_TIMEOUT_MS + 1000) is 12000 ms, it must be at most deadline of send message, which is 5500 ms',
    );
  });

  it('are refused when waiting for a connection may take longer than the statement', () => {
    const chain = timeoutChain({ DB_POOL_TIMEOUT_MS: 2_000, DB_STATEMENT_TIMEOUT_MS: 1_000 }, { ...send, deadlineMs: 10_000 });

    expect(() => verifyTimeoutChain(chain)).toThrow(
      'wait for a pool connection (DB_POOL_TIMEOUT_MS) is 2000 ms, it must be at most statement (DB_STATEMENT_TIMEOUT_MS), which is 1000 ms',
    );
  });

  it('are refused when an endpoint may take as long as the process', () => {
    expect(() => verifyTimeoutChain(timeoutChain(defaults, { name: 'export', deadlineMs: 55_000 }))).toThrow(
      'deadline of export is 55000 ms, it must be shorter than longest answer of the process, which is 55000 ms',
    );
  });

  it('are a problem of the configuration: the process ends with 78', () => {
    expect(() => verifyTimeoutChain(timeoutChain(defaults, { name: 'hasty', deadlineMs: 1 }))).toThrow(ConfigError);
  });
});

describe('the timeouts of a handler', () => {
  const handler = { queue: 'embedding.messages', deadlineMs: 30_000 };

  it('are refused when a call that hangs is ended by the deadline, so that no breaker hears of it', () => {
    const chain = handlerChain(defaults, handler, { name: 'one call of the embedder', timeoutMs: 30_000 });
    expect(() => verifyTimeoutChain(chain)).toThrow(
      'and one call of the embedder is 35000 ms, it must be shorter than deadline of a handler of embedding.messages, which is 30000 ms',
    );
    expect(() => verifyTimeoutChain(handlerChain(defaults, handler, { name: 'a call', timeoutMs: 20_000 }))).not.toThrow();
  });

  it('are refused when Postgres may take what the call needs', () => {
    const chain = handlerChain({ ...defaults, DB_STATEMENT_TIMEOUT_MS: 10_000 }, handler, { name: 'a call', timeoutMs: 20_000 });
    expect(() => verifyTimeoutChain(chain)).toThrow('DB_STATEMENT_TIMEOUT_MS');
  });
});

it('the check of time limits reports every collision at once', () => {
  const links = [
    { name: 'a', ms: 3 },
    { name: 'b', ms: 2 },
    { name: 'c', ms: 2, isLonger: true as const },
  ];

  expect(() => verifyTimeoutChain(links)).toThrow(expect.objectContaining({ problems: [expect.any(String), expect.any(String)] }));
});
