import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { MessageTrace } from '#lib/contracts/admin-live';
import { TraceMessage } from '../../../../live-admin/trace-message.js';
import { FromPath } from '../../problems/validation.js';

const TraceRef = z.strictObject({
  traceId: z.string().regex(/^[A-Za-z0-9_.:-]{1,128}$/, 'must be 1-128 characters of A-Z a-z 0-9 _ . : -'),
});
type TraceRef = z.infer<typeof TraceRef>;

/** The way of one message. */
@ApiTags('admin')
@Controller('v1/admin/traces')
export class AdminTracesController {
  constructor(private readonly trace: TraceMessage) {}

  /** What the tables have of it, with times and without content. */
  @Get(':traceId')
  @ApiOperation({ operationId: 'getTrace', summary: 'The way of one message through the pipeline, hop by hop' })
  @ApiOkResponse({ standardSchema: MessageTrace })
  show(@FromPath(TraceRef) { traceId }: TraceRef): Promise<MessageTrace> {
    return this.trace.execute(traceId);
  }
}
