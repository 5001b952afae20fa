import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { DeadLetters } from '#lib/bus/dead-letters/dead-letters';
import { DeadLetterDetail, DeadLetterOrder, DeadLetterOutcome, DeadLetterPage, DeadLetterQuery } from '#lib/contracts/admin';
import type { UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { Caller } from '../parameters.js';
import { FromBody, FromPath, FromQuery } from '../../problems/validation.js';

const LetterRef = z.strictObject({ letterId: z.string().min(1).max(255) });
type LetterRef = z.infer<typeof LetterRef>;
const InQueue = z.strictObject({ queue: z.string().min(1).max(255).optional() });
type InQueue = z.infer<typeof InQueue>;

@ApiTags('admin')
@Controller('v1/admin/dead-letters')
export class AdminDeadLettersController {
  constructor(private readonly deadLetters: DeadLetters) {}

  @Get()
  @ApiOperation({ operationId: 'listDeadLetters', summary: 'What was given up on, oldest first' })
  @ApiOkResponse({ standardSchema: DeadLetterPage })
  list(@FromQuery(DeadLetterQuery) query: DeadLetterQuery): Promise<DeadLetterPage> {
    return this.deadLetters.list(query);
  }

  @Get(':letterId')
  @ApiOperation({ operationId: 'getDeadLetter', summary: 'One dead letter with what it carries' })
  @ApiOkResponse({ standardSchema: DeadLetterDetail })
  async show(@FromPath(LetterRef) { letterId }: LetterRef, @FromQuery(InQueue) { queue }: InQueue): Promise<DeadLetterDetail> {
    const letter = await this.deadLetters.find(letterId, queue);
    if (letter === undefined) throw new ProblemError('not-found', 'There is no such dead letter.');
    return letter;
  }

  /** Works for at most 20 s; `remaining` counts what is left then, and the same request with `next` in it goes on. */
  @Post('replay')
  @HttpCode(200)
  @ApiOperation({ operationId: 'replayDeadLetters', summary: 'Send dead letters back to the queue that gave up on them' })
  @ApiOkResponse({ standardSchema: DeadLetterOutcome })
  replay(@Caller() operator: UserId, @FromBody(DeadLetterOrder) order: DeadLetterOrder): Promise<DeadLetterOutcome> {
    return this.deadLetters.replay(order, operator);
  }

  /** As {@link replay}. */
  @Post('discard')
  @HttpCode(200)
  @ApiOperation({ operationId: 'discardDeadLetters', summary: 'Remove dead letters for good' })
  @ApiOkResponse({ standardSchema: DeadLetterOutcome })
  discard(@Caller() operator: UserId, @FromBody(DeadLetterOrder) order: DeadLetterOrder): Promise<DeadLetterOutcome> {
    return this.deadLetters.discard(order, operator);
  }
}
