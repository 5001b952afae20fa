import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { ConversationEndView } from '#lib/contracts/scores';
import { currentContext, enrichContext } from '#lib/runtime/log/context';
import { EndConversation } from '../../../ends/end-conversation.js';
import { LargeBodies } from '../large-bodies/large-bodies.js';
import { LargeBody } from '../large-bodies/large-body-routes.js';
import { Caller, IsService } from './parameters.js';

@ApiTags('conversations')
@Controller('v1/conversations')
export class EndsController {
  constructor(
    private readonly bodies: LargeBodies,
    private readonly endConversation: EndConversation,
  ) {}

  @Post('end')
  @ApiOperation({
    operationId: 'endConversation',
    summary: 'A conversation ended: its user gets a score for it',
    description:
      'The same body again is answered with the same event; another body for the same conversation gets an event of its own. ' +
      'The log has up to 10 MB and 50,000 entries.',
  })
  @HttpCode(202)
  @ApiAcceptedResponse({ standardSchema: ConversationEndView })
  async end(
    @Caller() caller: UserId,
    @IsService() isService: boolean,
    @LargeBody('conversationEnd') body: Buffer,
  ): Promise<ConversationEndView> {
    const startedAt = performance.now();
    try {
      const draft = await this.bodies.read('conversationEnd', caller, body);
      const { conversationId, userId } = draft;
      enrichContext({ conversationId });
      if (userId !== caller && !isService) throw new ProblemError('not-found', 'There is no such user for this token.');
      const { requestId, traceparent } = currentContext();
      const { eventId } = await this.endConversation.execute({ ...draft, headers: { requestId, traceparent } });
      return { eventId, conversationId, status: 'accepted' };
    } finally {
      enrichContext({ total_time_ms: Math.round((performance.now() - startedAt) * 10) / 10 });
    }
  }
}
