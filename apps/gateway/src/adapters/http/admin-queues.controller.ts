import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { QueueStatusPort } from '#lib/bus/queue-status.port';
import { QueueStatus } from '#lib/contracts/http';

const QueueList = z.object({ items: z.array(QueueStatus) }).meta({ id: 'QueueList' });

@ApiTags('admin')
@Controller('v1/admin/queues')
export class AdminQueuesController {
  constructor(private readonly queues: QueueStatusPort) {}

  /** What waits where; unknown is null. */
  @Get()
  @ApiOperation({ summary: 'What waits in the queues' })
  @ApiOkResponse({ standardSchema: QueueList })
  async list(): Promise<z.infer<typeof QueueList>> {
    return { items: await this.queues.read() };
  }
}
