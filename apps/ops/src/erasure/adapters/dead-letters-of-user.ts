import type { DeadLettersPort, LockedDeadLetters } from '#lib/bus/dead-letters/dead-letters.port';
import type { UserId } from '#lib/contracts/ids';
import { pipeline } from '#lib/contracts/pipeline';
import { CannotErase, type ErasedPage } from '../eraser.js';

/** Longest look through the dead letters of one queue, beside opening and closing; 20,000 take 2 s. */
const LOOK_WITHIN_MS = 20_000;

/** Removes the dead letters of a user for good, one queue after the other. */
export class DeadLettersOfUser {
  constructor(
    private readonly letters: DeadLettersPort,
    private readonly queues: readonly string[] = Object.keys(pipeline),
  ) {}

  /** @param after the queue before. @throws DependencyError; CannotErase when a queue has more than can be looked through. */
  async erase(userId: UserId, after: string | undefined): Promise<ErasedPage> {
    const place = after === undefined ? 0 : this.queues.indexOf(after) + 1;
    const queue = this.queues[place];
    if (queue === undefined) return { counts: {}, next: undefined };
    const deadLetters = await this.letters.lock(queue, (locked) => removeOf(userId, queue, locked));
    return { counts: { deadLetters }, next: place + 1 < this.queues.length ? queue : undefined };
  }
}

const removeOf = async (userId: UserId, queue: string, letters: LockedDeadLetters): Promise<number> => {
  const endsAt = performance.now() + LOOK_WITHIN_MS;
  let count = 0;
  for (;;) {
    const letter = await letters.next();
    if (letter === undefined) return count;
    if (isOf(userId, letter.body)) {
      letters.remove(letter);
      count += 1;
    }
    if (performance.now() > endsAt)
      throw new CannotErase(`There are too many dead letters of ${queue} to look through: replay or discard them, then ask again.`);
  }
};

/** What cannot be read as an event is of the user when it has the id as a JSON string. */
const isOf = (userId: UserId, body: Buffer): boolean => {
  try {
    const envelope = JSON.parse(body.toString()) as { data?: Partial<Record<string, unknown>> | null } | null;
    return [envelope?.data?.['senderId'], envelope?.data?.['userId'], envelope?.data?.['ownerId']].includes(userId);
  } catch {
    return body.includes(JSON.stringify(userId));
  }
};
