import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { SearchQuery, SearchResults } from '#lib/contracts/http';
import type { UserId } from '#lib/contracts/ids';
import { viewOf } from '#lib/conversations/message-view';
import { ShowMessages } from '../../../messages/show-messages.js';
import { SearchMessages } from '../../../search/search-messages.js';
import { Caller } from './parameters.js';
import { FromQuery } from '../problems/validation.js';

/** A passage is found because it is indexed; nothing else happens to it. */
const OF_A_PASSAGE = { delivery: 'skipped', embedding: 'done', scoring: 'skipped' } as const;

@ApiTags('search')
@Controller('v1/search')
export class SearchController {
  constructor(
    private readonly searchMessages: SearchMessages,
    private readonly showMessages: ShowMessages,
  ) {}

  @Get()
  @ApiOperation({ operationId: 'searchMessages', summary: 'Search by words and by meaning in all my conversations' })
  @ApiOkResponse({ standardSchema: SearchResults })
  async search(@Caller() reader: UserId, @FromQuery(SearchQuery) query: SearchQuery): Promise<SearchResults> {
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
