import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { EndedConversationId, UserId } from '#lib/contracts/ids';
import { JobAccepted } from '#lib/contracts/jobs';
import { ProblemError } from '#lib/contracts/problems';
import {
  FriendshipHistory,
  FriendshipHistoryPage,
  FriendshipStatusView,
  ScoreCalculation,
  ScoreOf,
  ScoreView,
} from '#lib/contracts/scores';
import { currentContext, enrichContext } from '#lib/runtime/log/context';
import { FriendshipStorePort } from '#lib/scores/friendship/friendship-store.port';
import { FindScoredUser } from '../../../friendship/find-scored-user.js';
import { changeView, statusView } from '../../../friendship/friendship-views.js';
import { PreviewScore } from '../../../friendship/preview-score.js';
import { StartScoring } from '../../../friendship/start-scoring.js';
import { FromBody, FromPath, FromQuery } from '../problems/validation.js';
import { Caller, IsService } from './parameters.js';

const UserRef = z.strictObject({ userId: UserId });
type UserRef = z.infer<typeof UserRef>;

const EndedRef = z.strictObject({ conversationId: EndedConversationId });
type EndedRef = z.infer<typeof EndedRef>;

@ApiTags('friendship')
@Controller('v1/friendship_status')
export class FriendshipController {
  constructor(
    private readonly friendship: FriendshipStorePort,
    private readonly findScoredUser: FindScoredUser,
    private readonly previewScore: PreviewScore,
    private readonly startScoring: StartScoring,
  ) {}

  @Get(':userId')
  @ApiOperation({
    operationId: 'getFriendshipStatus',
    summary: 'How well I am known: score, level, and the parts of the score by topic',
    description: 'A token with the scope `service` sees every user; for a user without any score it answers the default.',
  })
  @ApiOkResponse({ standardSchema: FriendshipStatusView })
  async status(
    @Caller() caller: UserId,
    @IsService() isService: boolean,
    @FromPath(UserRef) { userId }: UserRef,
  ): Promise<FriendshipStatusView> {
    requireOwn(userId, caller, isService);
    return statusView(await this.friendship.find(userId));
  }

  @Get(':userId/history')
  @ApiOperation({ operationId: 'getFriendshipHistory', summary: 'What changed my score, newest first' })
  @ApiOkResponse({ standardSchema: FriendshipHistory })
  async history(
    @Caller() caller: UserId,
    @IsService() isService: boolean,
    @FromPath(UserRef) { userId }: UserRef,
    @FromQuery(FriendshipHistoryPage) { cursor, limit }: FriendshipHistoryPage,
  ): Promise<FriendshipHistory> {
    requireOwn(userId, caller, isService);
    // One more than asked for tells whether there is another page.
    const found = await this.friendship.history(userId, { before: cursor, limit: limit + 1 });
    const items = found.slice(0, limit).map(changeView);
    return { items, nextCursor: found.length > limit ? String(items.at(-1)?.version) : null };
  }

  @Post('calculate-score-and-update')
  @ApiOperation({
    operationId: 'startScoring',
    summary: 'Score a conversation now; one of Parley that goes on is ended first, with what was said so far',
    description: 'An end that has its score keeps it. While a job for it is open, its id is answered again.',
  })
  @HttpCode(202)
  @ApiAcceptedResponse({ standardSchema: JobAccepted })
  async update(
    @Caller() caller: UserId,
    @IsService() isService: boolean,
    @FromBody(ScoreCalculation) { conversationId, userId: named }: ScoreCalculation,
  ): Promise<JobAccepted> {
    enrichContext({ conversationId });
    const userId = await this.findScoredUser.execute({ userId: caller, isService }, conversationId, named);
    const { requestId, traceparent } = currentContext();
    return { jobId: await this.startScoring.execute({ conversationId, userId }, { requestId, traceparent }) };
  }

  @Post('calculate-score/:conversationId')
  @ApiOperation({
    operationId: 'previewScore',
    summary: 'What a conversation would be worth now, ended or not; changes nothing',
    description:
      'Answers within 30 s. When the scoring service or its model does not answer in time, the answer is `degraded` and worth 0.',
  })
  @HttpCode(200)
  @ApiOkResponse({ standardSchema: ScoreView })
  async calculate(
    @Caller() caller: UserId,
    @IsService() isService: boolean,
    @FromPath(EndedRef) { conversationId }: EndedRef,
    @FromQuery(ScoreOf) { userId: named }: ScoreOf,
  ): Promise<ScoreView> {
    enrichContext({ conversationId });
    const userId = await this.findScoredUser.execute({ userId: caller, isService }, conversationId, named);
    return this.previewScore.execute(caller, { conversationId, userId });
  }
}

/** @throws ProblemError `not-found`: whether another user has a score is not shown. */
const requireOwn = (userId: UserId, caller: UserId, isService: boolean): void => {
  if (userId !== caller && !isService) throw new ProblemError('not-found', 'There is no such user for this token.');
};
