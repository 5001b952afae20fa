import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { PresenceList, PresenceQuery } from '#lib/contracts/http';
import type { UserId } from '#lib/contracts/ids';
import { ShowPresence } from '../../../presence/show-presence.js';
import { FromQuery } from '../problems/validation.js';
import { Caller, IsService } from './parameters.js';

@ApiTags('presence')
@Controller('v1/presence')
export class PresenceController {
  constructor(private readonly showPresence: ShowPresence) {}

  @Get()
  @ApiOperation({
    operationId: 'getPresence',
    summary: 'Who is online',
    description:
      'Of myself and of users in a conversation with me; any other is shown like an unknown one. A token with the scope `service` sees all. ' +
      'A deployment without Redis does not know it: there every user is offline.',
  })
  @ApiOkResponse({ standardSchema: PresenceList })
  show(@Caller() userId: UserId, @IsService() isService: boolean, @FromQuery(PresenceQuery) query: PresenceQuery): Promise<PresenceList> {
    return this.showPresence.execute({ userId, isService }, query.userIds.split(','));
  }
}
