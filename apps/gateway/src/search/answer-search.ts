import { Injectable } from '@nestjs/common';
import type { SearchQuery, SearchResults } from '#lib/contracts/http';
import type { UserId } from '#lib/contracts/ids';
import { viewOf } from '#lib/conversations/message-view';
import { ShowMessages } from '../messages/show-messages.js';
import { SearchMessages } from './search-messages.js';

/** A passage is found because it is indexed; nothing else happens to it. */
const OF_A_PASSAGE = { delivery: 'skipped', embedding: 'done', scoring: 'skipped' } as const;

/** Searches, and shows the hits as the reader sees them. */
@Injectable()
export class AnswerSearch {
  constructor(
    private readonly searchMessages: SearchMessages,
    private readonly showMessages: ShowMessages,
  ) {}

  /** Throws what SearchMessages throws. */
  async execute(query: SearchQuery, reader: UserId): Promise<SearchResults> {
    const startedAt = performance.now();
    const { items, degraded } = await this.searchMessages.execute(query, reader);
    const found = items.filter(({ kind }) => kind === 'message').map(({ message }) => message);
    const views = new Map((await this.showMessages.execute(found)).map((view) => [view.id, view]));
    return {
      items: items.flatMap((hit) => {
        const message = hit.kind === 'document' ? viewOf(hit.message, OF_A_PASSAGE) : views.get(hit.message.id);
        return message === undefined ? [] : [{ ...hit, message }];
      }),
      degraded: [...degraded],
      tookMs: Math.round((performance.now() - startedAt) * 10) / 10,
    };
  }
}
