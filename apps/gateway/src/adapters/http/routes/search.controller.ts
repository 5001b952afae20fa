import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { SearchQuery, SearchResults } from '#lib/contracts/http';
import type { UserId } from '#lib/contracts/ids';
import { ShowMessages } from '../../../messages/show-messages.js';
import { SearchMessages } from '../../../search/search-messages.js';
import { Caller } from './parameters.js';
import { FromQuery } from '../problems/validation.js';

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
    const views = await this.showMessages.execute(items.map(({ message }) => message));
    return {
      items: items.flatMap((hit, index) => {
        const message = views[index];
        return message === undefined ? [] : [{ ...hit, message }];
      }),
      degraded: [...degraded],
      tookMs: Math.round((performance.now() - startedAt) * 10) / 10,
    };
  }
}
