import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ConsistencyRun, ConsistencyStatus } from '#lib/contracts/admin';
import type { UserId } from '#lib/contracts/ids';
import { ConsistencyRunsPort } from '#lib/vectors/consistency/consistency-runs.port';
import { Caller } from '../parameters.js';

/** Asks `ops` to compare messages and vectors, and shows its report. */
@ApiTags('admin')
@Controller('v1/admin/consistency')
export class AdminConsistencyController {
  constructor(private readonly runs: ConsistencyRunsPort) {}

  @Get()
  @ApiOperation({
    operationId: 'getConsistency',
    summary: 'Whether messages and vectors are in step: the last report, and what runs or waits',
  })
  @ApiOkResponse({ standardSchema: ConsistencyStatus })
  status(): Promise<ConsistencyStatus> {
    return this.runs.status();
  }

  @Post('check')
  @HttpCode(202)
  @ApiOperation({ operationId: 'checkConsistency', summary: 'Compare now, not when the schedule says' })
  @ApiAcceptedResponse({ standardSchema: ConsistencyRun })
  check(@Caller() operator: UserId): Promise<ConsistencyRun> {
    return this.runs.request('check', operator);
  }

  @Post('repair')
  @HttpCode(202)
  @ApiOperation({ operationId: 'repairConsistency', summary: 'Compare, and repair what is out of step' })
  @ApiAcceptedResponse({ standardSchema: ConsistencyRun })
  repair(@Caller() operator: UserId): Promise<ConsistencyRun> {
    return this.runs.request('repair', operator);
  }
}
