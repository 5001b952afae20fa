import { Controller, Delete, HttpCode } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { UserId } from '#lib/contracts/ids';
import { JobAccepted } from '#lib/contracts/jobs';
import { currentContext } from '#lib/runtime/log/context';
import { OrderErasure } from '../../../erasure/order-erasure.js';
import { FromPath } from '../problems/validation.js';
import { Caller } from './parameters.js';

const UserRef = z.strictObject({ userId: UserId });
type UserRef = z.infer<typeof UserRef>;

/** Needs the scope `admin`: see authentication. */
@ApiTags('admin')
@Controller('v1/users')
export class UsersController {
  constructor(private readonly orderErasure: OrderErasure) {}

  @Delete(':userId/data')
  @ApiOperation({ operationId: 'eraseUser', summary: 'Erase everything of a user; a job counts what each store held' })
  @HttpCode(202)
  @ApiAcceptedResponse({ standardSchema: JobAccepted })
  async erase(@Caller() by: UserId, @FromPath(UserRef) { userId }: UserRef): Promise<JobAccepted> {
    const { requestId, traceparent } = currentContext();
    return { jobId: await this.orderErasure.execute(userId, { by, headers: { requestId, traceparent } }) };
  }
}
