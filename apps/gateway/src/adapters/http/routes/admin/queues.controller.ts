import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { QueueWatch } from '#lib/bus/queue-status/queue-watch';
import { ProcessName, PublishTrouble } from '#lib/contracts/control';
import { QueueView } from '#lib/contracts/http';

const QueueList = z
  .object({
    items: z.array(QueueView),
    unknownQueues: z.int().nullable().meta({ description: 'How many unknown queues there are; null = only the management API could tell' }),
    publishing: z
      .array(ProcessName.extend(PublishTrouble.shape))
      .meta({ description: 'What RabbitMQ does not take at the moment, by process and routing key' }),
    others: z
      .enum(['asked', 'unreachable'])
      .meta({ description: 'unreachable = RabbitMQ does not pass questions on: pauses and ages of other processes are not known' }),
  })
  .meta({ id: 'QueueList' });

@ApiTags('admin')
@Controller('v1/admin/queues')
export class AdminQueuesController {
  constructor(private readonly queues: QueueWatch) {}

  /** Depth, age and pauses of each queue, and what RabbitMQ refuses; null is unknown. */
  @Get()
  @ApiOperation({ operationId: 'listQueues', summary: 'What waits in the queues' })
  @ApiOkResponse({ standardSchema: QueueList })
  async list(): Promise<z.infer<typeof QueueList>> {
    const { items, unknownCount, publishers, consumers } = await this.queues.read();
    const publishing = publishers.processes.flatMap((each) =>
      each.silent ? [] : (each.answer ?? []).map((trouble) => ({ app: each.app, host: each.host, pid: each.pid, ...trouble })),
    );
    return { items: [...items], unknownQueues: unknownCount, publishing, others: consumers.others };
  }
}
