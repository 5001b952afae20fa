import { expect, it } from 'vitest';
import { DeadLettersPort, LockedDeadLetters } from '#lib/bus/dead-letters/dead-letters.port';
import type { WireMessage } from '#lib/bus/wire-message';
import { newEvent } from '#lib/contracts/events';
import { newId } from '#lib/contracts/ids';
import { DeadLettersOfUser } from './dead-letters-of-user.js';

class Letters extends DeadLettersPort {
  constructor(readonly held: Map<string, string[]>) {
    super();
  }

  async lock<T>(queue: string, work: (letters: LockedDeadLetters) => Promise<T>): Promise<T> {
    const bodies = this.held.get(queue) ?? [];
    return work(new Locked(bodies, (kept) => this.held.set(queue, kept)));
  }
}

class Locked extends LockedDeadLetters {
  readonly count: number;
  private readonly letters: WireMessage[];
  private place = 0;

  constructor(
    bodies: string[],
    private readonly keep: (bodies: string[]) => void,
  ) {
    super();
    this.count = bodies.length;
    this.letters = bodies.map((body) => ({ id: newId(), type: 'any', headers: {}, body: Buffer.from(body) }) as unknown as WireMessage);
  }

  async next(): Promise<WireMessage | undefined> {
    return this.letters[this.place++];
  }

  remove(letter: WireMessage): void {
    this.letters.splice(this.letters.indexOf(letter), 1);
    this.place -= 1;
    this.keep(this.letters.map(({ body }) => body.toString()));
  }

  protected override publish(): never {
    throw new Error('nothing is sent back');
  }
}

it('dead letters of a user are removed from every queue, and those of others stay', async () => {
  const receipt = (userId: string) =>
    JSON.stringify(newEvent('receipt.recorded', { conversationId: newId(), userId, deliveredSeq: 1, readSeq: 1 }));
  const ofBob = receipt('bob');
  const letters = new Letters(
    new Map([
      ['one.queue', [receipt('alice'), ofBob, 'no JSON of "alice"', 'no JSON of "alice2"', 'null']],
      ['other.queue', [receipt('alice')]],
    ]),
  );
  const eraser = new DeadLettersOfUser(letters, ['one.queue', 'other.queue']);
  expect(await eraser.erase('alice', undefined)).toEqual({ counts: { deadLetters: 2 }, next: 'one.queue' });
  expect(await eraser.erase('alice', 'one.queue')).toEqual({ counts: { deadLetters: 1 }, next: undefined });
  expect([...letters.held.values()]).toEqual([[ofBob, 'no JSON of "alice2"', 'null'], []]);
});
