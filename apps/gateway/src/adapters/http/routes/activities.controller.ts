import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { SuggestionRequest, SuggestionView } from '#lib/contracts/activities';
import type { UserId } from '#lib/contracts/ids';
import { SuggestActivities } from '../../../activities/suggest-activities.js';
import { FromBody } from '../problems/validation.js';
import { Caller, IsService } from './parameters.js';

@ApiTags('activities')
@Controller('v1/activities')
export class ActivitiesController {
  constructor(private readonly suggestActivities: SuggestActivities) {}

  @Post('suggest')
  @ApiOperation({
    operationId: 'suggestActivities',
    summary: 'What a user may do next',
    description:
      'Agents and topics from the catalogue of the operators, by the level of the user and by what the conversations were about: the same answer ' +
      'for a whole day (UTC), another one tomorrow. A user without any status is a stranger. Without Postgres the answer is that of a new user, `degraded`.',
  })
  @HttpCode(200)
  @ApiOkResponse({ standardSchema: SuggestionView })
  suggest(
    @Caller() userId: UserId,
    @IsService() isService: boolean,
    @FromBody(SuggestionRequest) request: SuggestionRequest,
  ): Promise<SuggestionView> {
    return this.suggestActivities.execute({ userId, isService }, request);
  }
}
