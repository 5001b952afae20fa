import type { ParleyClient } from '#lib/testing/parley-client';
import { type JournalEntry, mayBe } from '#lib/testing/send-journal';
import type { SearchSample } from './observe.js';

/** Messages whose newest text is searched for at the end, and deleted ones. */
const EDITED_ASKED = 60;
const DELETED_ASKED = 30;
const LISTED = 50;

/** What searches showed during the run that was not so: a text that had been replaced, or a message that had been deleted, before they began. */
export function staleAnswers(samples: readonly SearchSample[], journal: readonly JournalEntry[]): string[] {
  const entryOf = new Map(journal.map((entry) => [entry.acknowledged?.id, entry]));
  return samples.flatMap(({ at, shown }) =>
    shown.flatMap(([id, content]) => {
      const entry = entryOf.get(id);
      if (entry === undefined || mayBe(entry, at).includes(content)) return [];
      return [`a search showed ${id} as ${JSON.stringify(content.slice(0, 40))}, which it was not any more`];
    }),
  );
}

/** What search by meaning answers when everything has settled: each newest text finds its message, no text of a deleted one does. */
export async function wrongAnswers(client: ParleyClient, journal: readonly JournalEntry[]): Promise<string[]> {
  const changed = journal.filter(({ acknowledged, changes = [] }) => acknowledged !== undefined && changes.length > 0);
  const now = changed.map((entry) => ({ entry, states: mayBe(entry) })).filter(({ states }) => states.length === 1);
  const edited = now.filter(({ states }) => states[0] !== null).slice(-EDITED_ASKED);
  const deleted = now.filter(({ states }) => states[0] === null).slice(-DELETED_ASKED);
  const lines: string[] = [];
  for (const { entry, states } of [...edited, ...deleted]) {
    const id = entry.acknowledged?.id ?? '';
    const { conversationId } = entry;
    const [text] = states;
    const q = text ?? entry.content;
    const { items } = await client.search({ q, mode: 'dense', conversationId, limit: LISTED });
    const found = items.find(({ message }) => message.id === id)?.message;
    if (text === null && found !== undefined) lines.push(`${id} is deleted and was found`);
    if (typeof text === 'string' && found?.content !== text) lines.push(`${id} was not found by its newest text`);
  }
  return lines;
}
