import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import type { Breakers } from '#lib/resilience/call/breakers';
import { DependencyError } from '#lib/resilience/call/errors';
import { type ScriptedAnswer, type ScriptedFault, scriptedFaults } from '#lib/testing/scripted-http-server';
import type { Push, PushPort } from './push.port.js';

/** A provider on this machine that plays the part of the real one. */
export interface ScriptedProvider {
  /** From now on it answers each push like this; undefined = as to a good one. */
  readonly answering: (answer: (() => ScriptedAnswer | ScriptedFault) | undefined) => void;
  /** How often it was asked to send. */
  readonly askedCount: () => number;
  readonly adapter: (breakers: Breakers, timeoutMs: number) => PushPort & { close(): void };
  readonly stop: () => Promise<void>;
}

/** Answers of one provider by what they mean. */
export interface PushDialect {
  readonly start: () => Promise<ScriptedProvider>;
  readonly unregistered: Readonly<Record<string, ScriptedAnswer>>;
  /** With the reason that is to be told. */
  readonly refused: Readonly<Record<string, readonly [ScriptedAnswer, reason: string]>>;
  readonly away: Readonly<Record<string, ScriptedAnswer>>;
  /** What must stand in no error. */
  readonly secrets: () => readonly string[];
}

const TIMEOUT_MS = 400;

/** A push with plausible data. */
export const aPush = (facts: Partial<Push> = {}): Push => ({
  token: 'device-token',
  title: 'Cà phê',
  body: 'Shall we have coffee?',
  conversationId: newId(),
  messageId: newId(),
  seq: 7,
  ttlSeconds: 3_600,
  ...facts,
});

/** What every provider of pushes promises. */
export function pushContract(name: string, dialect: PushDialect): void {
  describe(`${name} as a provider of pushes`, () => {
    let provider: ScriptedProvider;
    const open: { close(): void }[] = [];
    beforeAll(async () => {
      provider = await dialect.start();
    });
    afterAll(() => provider.stop());
    afterEach(() => {
      for (const adapter of open.splice(0)) adapter.close();
      provider.answering(undefined);
    });
    const adapter = (timeoutMs = 5_000) => {
      const made = provider.adapter(createBreakers(), timeoutMs);
      open.push(made);
      return made;
    };
    const failureOf = (work: Promise<unknown>) =>
      work.then(
        () => expect.unreachable('it did not fail'),
        (error: unknown) => error as DependencyError,
      );

    it('sends a push', async () => {
      expect(await adapter().send(aPush())).toEqual({ kind: 'sent' });
    });

    it.each(Object.entries(dialect.unregistered))('knows a device that is gone: %s', async (_, answer) => {
      provider.answering(() => answer);
      expect(await adapter().send(aPush())).toEqual({ kind: 'unregistered' });
    });

    it.each(Object.entries(dialect.refused))('tells why a push is refused: %s', async (_, [answer, reason]) => {
      provider.answering(() => answer);
      expect(await adapter().send(aPush())).toEqual({ kind: 'refused', reason });
    });

    it('stays with a provider that refuses one push after another: the next device may get its own', async () => {
      const push = adapter();
      for (const [answer] of Object.values(dialect.refused)) {
        provider.answering(() => answer);
        for (let i = 0; i < 10; i += 1) await push.send(aPush());
      }
      provider.answering(undefined);
      expect(await push.send(aPush())).toEqual({ kind: 'sent' });
    });

    it.each(Object.entries({ ...scriptedFaults, ...dialect.away }))('takes %s as a provider that is away', async (_, answer) => {
      provider.answering(() => answer);
      const startedAt = performance.now();
      const error = await failureOf(adapter(TIMEOUT_MS).send(aPush()));
      expect(error).toBeInstanceOf(DependencyError);
      expect(['timeout', 'unavailable']).toContain(error.kind);
      expect(performance.now() - startedAt).toBeLessThan(TIMEOUT_MS * 5);
    });

    it('asks no provider that is away again and again', async () => {
      provider.answering(() => scriptedFaults['an error 500'] as ScriptedAnswer);
      const push = adapter();
      const errors = [];
      for (let i = 0; i < 20; i += 1) errors.push(await failureOf(push.send(aPush())));
      expect(errors.at(-1)?.kind).toBe('open');
      expect(errors.at(-1)?.retryAfterMs).toBeGreaterThan(20_000); // 30 s, less jitter
    });

    it('leaves a provider alone for as long as its Retry-After says', async () => {
      provider.answering(() => ({ status: 503, headers: { 'retry-after': '7' } }));
      const push = adapter();
      expect(await failureOf(push.send(aPush()))).toMatchObject({ kind: 'unavailable', retryAfterMs: 7_000 });
      provider.answering(undefined);
      const before = provider.askedCount();
      const error = await failureOf(push.send(aPush()));
      expect(error.wasTried).toBe(false);
      expect(error.retryAfterMs).toBeGreaterThan(5_000);
      expect(provider.askedCount()).toBe(before);
    });

    it('stops for no device that is over its quota, however often it is told, but when several are', async () => {
      provider.answering(() => ({ status: 429, headers: { 'retry-after': '7' } }));
      const push = adapter();
      for (let i = 0; i < 20; i += 1) {
        expect(await failureOf(push.send(aPush({ token: 'spammed' })))).toMatchObject({ kind: 'unavailable', retryAfterMs: 7_000 });
      }
      provider.answering(undefined);
      expect(await push.send(aPush({ token: 'another' }))).toEqual({ kind: 'sent' });
      provider.answering(() => ({ status: 429, headers: { 'retry-after': '7' } }));
      for (const token of ['one', 'two', 'three']) await failureOf(push.send(aPush({ token })));
      provider.answering(undefined);
      expect((await failureOf(push.send(aPush({ token: 'another' })))).wasTried).toBe(false);
    });

    it('keeps key, token and text out of its errors', async () => {
      provider.answering(() => ({ status: 500, body: { error: { message: dialect.secrets().join() } } }));
      const error = await failureOf(adapter().send(aPush({ token: 'a-device-token', body: 'a private text' })));
      const told = `${inspect(error, { depth: 10, showHidden: false })} ${JSON.stringify(error)}`;
      for (const secret of [...dialect.secrets(), 'a-device-token', 'private']) expect(told).not.toContain(secret);
    });
  });
}
