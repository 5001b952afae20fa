import { z } from 'zod';
import { ConversationSummary } from '#lib/contracts/http';
import { eventually } from '#lib/testing/eventually';
import { persistently, RefusedByParley } from '#lib/testing/parley-client';
import type { Person } from './play.js';

/** How far one person has read, as the list of conversations and the socket of the first person say. */
export interface PlayedReceipt {
  readonly user: string;
  readonly readSeq: number;
  readonly unread: number;
  /** The receipt that came over the first person's socket; null for the first person, and when none came. */
  readonly seenLive: number | null;
}

const Page = z.object({ items: z.array(ConversationSummary) });
const RECORDED_WITHIN_MS = 15_000;

/** Waits a moment for the last receipts, which go out a few times a second. */
export async function readReceipts(people: readonly Person[], conversationId: string, headSeq: number): Promise<PlayedReceipt[]> {
  const read = () => Promise.all(people.map((person) => receiptOf(person, people[0], conversationId)));
  const settled = async () => {
    const receipts = await read();
    const isThere = receipts.every(
      ({ readSeq, seenLive }, i) => readSeq === Math.min(headSeq, people[i]?.live.readsUpTo ?? 0) && (i === 0 || seenLive === readSeq),
    );
    if (!isThere) throw new Error('not all receipts are recorded');
    return receipts;
  };
  return eventually(settled, { timeoutMs: RECORDED_WITHIN_MS, everyMs: 400 }).catch(read);
}

async function receiptOf(person: Person, first: Person | undefined, conversationId: string): Promise<PlayedReceipt> {
  const answer = await persistently(async () => {
    const answer = await person.rest.request('GET', '/v1/conversations?limit=20');
    if (answer.status !== 200) throw new RefusedByParley(answer, 'GET /v1/conversations');
    return answer;
  });
  const { readSeq = 0, unread = 0 } = Page.parse(answer.body).items.find(({ id }) => id === conversationId) ?? {};
  const seenLive = person === first ? null : (first?.live.readBy.get(person.name) ?? null);
  return { user: person.name, readSeq, unread, seenLive };
}
