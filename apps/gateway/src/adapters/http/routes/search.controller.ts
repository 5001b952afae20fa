import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { SearchQuery, SearchResults } from '#lib/contracts/http';
import type { UserId } from '#lib/contracts/ids';
import { AnswerSearch } from '../../../search/answer-search.js';
import { Caller } from './parameters.js';
import { FromQuery } from '../problems/validation.js';

@ApiTags('search')
@Controller('v1/search')
export class SearchController {
  constructor(private readonly answerSearch: AnswerSearch) {}

  @Get()
  @ApiOperation({ operationId: 'searchMessages', summary: 'Search by words and by meaning in all my conversations' })
  @ApiOkResponse({ standardSchema: SearchResults })
  search(@Caller() reader: UserId, @FromQuery(SearchQuery) query: SearchQuery): Promise<SearchResults> {
    return this.answerSearch.execute(query, reader);
  }
}
