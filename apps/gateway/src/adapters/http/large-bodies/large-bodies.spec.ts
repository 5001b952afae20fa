import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { MAX_LOG_ENTRIES } from '#lib/contracts/scores';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DeadlineExceeded } from '#lib/resilience/call/errors';
import { SemaphoreFull } from '#lib/resilience/limit/semaphore';
import { createLogger } from '#lib/runtime/log/logger';
import { hostileTexts } from '#lib/testing/hostile-texts';
import { loopHoldDuring } from '#lib/testing/loop-hold';
import { LargeBodies } from './large-bodies.js';
import { readBody } from './read-body.js';

const logger = createLogger('test', 'fatal');
const MB = 1_000_000;

// Patient: how fast this machine is just now is asked by no test but the one of the limit.
const bodies = new LargeBodies(logger, 60_000);
afterAll(() => bodies.close());

const facts = {
  conversationId: 'robot-7',
  userId: 'alice',
  startTime: '2026-01-31T09:30:00+07:00',
  endTime: '2026-01-31T02:40:00Z',
};
type Entry = { role: string; content: string; at?: string };
const bodyOf = (conversationLog: readonly Entry[] | undefined, changes: object = {}): Buffer =>
  Buffer.from(JSON.stringify({ ...facts, conversationLog, ...changes }));
const logOf = (contents: readonly string[]): Entry[] => contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'bot', content }));
const linesOf = (log: Uint8Array | undefined): unknown[] =>
  gunzipSync(log ?? Buffer.alloc(0))
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

/** A log of about so many bytes, of texts as long as an entry may be. */
const logOfBytes = (bytes: number, text: string): Entry[] => {
  const content = text.repeat(Math.ceil(100_000 / text.length));
  return logOf(Array.from({ length: Math.floor(bytes / (Buffer.byteLength(JSON.stringify(content)) + 30)) }, () => content));
};

describe('a large body', () => {
  it('is read in a thread as it is in place', async () => {
    const log = logOf(Array.from({ length: 5_000 }, (_, i) => `Hẹn nhau ở quán cà phê nhé ${i}`));
    const made = await bodies.read('conversationEnd', 'alice', bodyOf(log));
    const inPlace = readBody('conversationEnd', bodyOf(log)).made;

    expect(made.startTime.toISOString()).toBe('2026-01-31T02:30:00.000Z');
    expect(made.bodyHash).toBe(inPlace?.bodyHash);
    expect(linesOf(made.log)).toEqual(log);
    expect(linesOf(inPlace?.log)).toEqual(log);
  });

  it('is moved to its thread, and so is what is made of it', async () => {
    // Does not compress, so that what comes back is large too.
    const random = Array.from({ length: 40 }, () =>
      Array.from({ length: 20_000 }, () => String.fromCharCode(0x4e00 + Math.random() * 20_000)).join(''),
    );
    const body = bodyOf(logOf(random));
    const { log } = await bodies.read('conversationEnd', 'alice', body);

    expect(body.length).toBe(0);
    expect(log?.length).toBeGreaterThan(500_000);
    expect(linesOf(log)).toHaveLength(40);
  });

  it.each([
    ['is not UTF-8', Buffer.concat([Buffer.alloc(20_000, ' '), Buffer.from([0xff, 0xfe])]), []],
    ['is not JSON', Buffer.from(`{"a":"${'x'.repeat(20_000)}`), []],
    ['is nested too deeply', Buffer.from(`${'['.repeat(33)}${' '.repeat(20_000)}${']'.repeat(33)}`), []],
    ['has a million values', Buffer.from(`[${'1,'.repeat(1_000_000)}1]`), []],
    ['has too many entries', bodyOf(logOf(Array.from({ length: MAX_LOG_ENTRIES + 1 }, () => 'a'))), ['/conversationLog']],
    ['has a control character', bodyOf(logOf(['x'.repeat(20_000), 'a\u0000b'])), ['/conversationLog/1/content']],
    ['has half a character', bodyOf(logOf(['x'.repeat(20_000), 'a\ud800b'])), ['/conversationLog/1/content']],
    ['has a run of marks', bodyOf(logOf([`a${'\u0301'.repeat(20_000)}`])), ['/conversationLog/0/content']],
    [
      'has a key of JavaScript',
      Buffer.from(
        bodyOf(logOf(['x'.repeat(20_000)]))
          .toString()
          .replace('{', '{"__proto__":{"x":1},'),
      ),
      ['/__proto__'],
    ],
    ['ends before it starts', bodyOf(logOf(['x'.repeat(20_000)]), { endTime: '2026-01-30T00:00:00Z' }), ['/endTime']],
  ])('that %s is refused, and says where', async (_, body, pointers) => {
    const error = await bodies.read('conversationEnd', 'alice', body).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'ProblemError', code: 'validation' });
    expect(((error as { errors?: { pointer: string }[] }).errors ?? []).map(({ pointer }) => pointer)).toEqual(pointers);
  });

  it('has a hash of what it says, not of how it is written', async () => {
    const hashOf = async (body: Buffer) => (await bodies.read('conversationEnd', 'alice', body)).bodyHash;
    const { userId, endTime, conversationId } = facts;
    const written = Buffer.from(JSON.stringify({ userId, endTime, startTime: '2026-01-31T02:30:00.000Z', conversationId }, null, 2));
    const said = await hashOf(bodyOf(undefined));
    expect(await hashOf(written)).toBe(said);
    expect(await hashOf(bodyOf([]))).toBe(said);
    expect(await hashOf(bodyOf(logOf(['hi'])))).not.toBe(said);
  });

  it('lets the event loop turn while 10 MB of the worst texts are read', { timeout: 120_000 }, async () => {
    const [worst = 'x'] = hostileTexts({ seed: 5 }).flatMap(({ text, isAccepted }) => (isAccepted ? [text] : []));
    const bodiesOfAll = ['alice', 'bob', 'carol'].map((caller) => [caller, bodyOf(logOfBytes(9.9 * MB, worst))] as const);
    const hold = await loopHoldDuring(() => Promise.all(bodiesOfAll.map(([caller, body]) => bodies.read('conversationEnd', caller, body))));
    expect(hold.p99Ms).toBeLessThan(100);
    expect(hold.maxMs).toBeLessThan(400);
  });

  it('of one caller never waits for all bodies of another one', { timeout: 120_000 }, async () => {
    const done: string[] = [];
    const read = async (caller: string, text: string) => {
      await bodies.read('conversationEnd', caller, bodyOf(logOfBytes(2 * MB, text)));
      done.push(caller);
    };
    // A fifth of a second each: longer than the start of a thread for bob.
    const costly = `a${'\u0301\u0323\u0345'.repeat(5)}`;
    await Promise.all([...Array.from({ length: 8 }, () => read('alice', costly)), read('bob', 'a ')]);
    expect(done.indexOf('bob')).toBeLessThan(done.length - 1);
  });

  it('of a caller with too many waiting is refused as its own fault', { timeout: 120_000 }, async () => {
    const reads = Array.from({ length: 12 }, () => bodies.read('conversationEnd', 'alice', bodyOf(logOfBytes(0.3 * MB, 'a '))));
    const other = bodies.read('conversationEnd', 'bob', bodyOf(logOfBytes(0.3 * MB, 'a ')));
    const refused = (await Promise.allSettled(reads)).filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(3);
    expect(refused[0]?.reason).toMatchObject({ code: 'rate-limited' });
    expect((await other).userId).toBe('alice');
  });
});

describe('a thread that reads large bodies', () => {
  it('is ended when a body takes too long, and the next body is read by another', { timeout: 120_000 }, async () => {
    const impatient = new LargeBodies(logger, 1);
    const late = impatient.read('conversationEnd', 'alice', bodyOf(logOfBytes(5 * MB, 'a ')));
    await expect(late).rejects.toBeInstanceOf(DeadlineExceeded);
    await impatient.close();

    const atDeadline = withDeadline(1, () => bodies.read('conversationEnd', 'alice', bodyOf(logOfBytes(5 * MB, 'a '))));
    await expect(atDeadline).rejects.toBeInstanceOf(DeadlineExceeded);
    expect((await bodies.read('conversationEnd', 'alice', bodyOf(logOfBytes(MB, 'a ')))).conversationId).toBe('robot-7');
  });

  it('ends with the gateway, and what waits is refused', async () => {
    const ending = new LargeBodies(logger);
    const reads = ['alice', 'bob', 'carol', 'dave'].map((caller) => ending.read('conversationEnd', caller, bodyOf(logOfBytes(MB, 'a '))));
    const outcomes = Promise.allSettled(reads);
    await ending.close();
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected']);
    await expect(ending.read('conversationEnd', 'alice', bodyOf(logOfBytes(MB, 'a ')))).rejects.toBeInstanceOf(SemaphoreFull);
  });
});
