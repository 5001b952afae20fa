import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { OutboxStatus, OutboxUnparked, OutboxUnparkOrder } from '#lib/contracts/admin';
import type { UserId } from '#lib/contracts/ids';
import { ParkedEvents } from '#lib/database/outbox/parked-events';
import { Caller } from '../parameters.js';
import { FromBody } from '../../problems/validation.js';

/** Events that are committed and that RabbitMQ does not have yet. */
@ApiTags('admin')
@Controller('v1/admin/outbox')
export class AdminOutboxController {
  constructor(private readonly parked: ParkedEvents) {}

  @Get()
  @ApiOperation({ operationId: 'getOutbox', summary: 'How many events wait for RabbitMQ, and which were set aside' })
  @ApiOkResponse({ standardSchema: OutboxStatus })
  status(): Promise<OutboxStatus> {
    return this.parked.status();
  }

  @Post('unpark')
  @HttpCode(200)
  @ApiOperation({ operationId: 'unparkOutbox', summary: 'Try events again that were set aside' })
  @ApiOkResponse({ standardSchema: OutboxUnparked })
  unpark(@Caller() operator: UserId, @FromBody(OutboxUnparkOrder) order: OutboxUnparkOrder): Promise<OutboxUnparked> {
    return this.parked.unpark(order, operator);
  }
}
