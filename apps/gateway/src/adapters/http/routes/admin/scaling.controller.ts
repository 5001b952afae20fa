import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ControlChannelPort } from '#lib/bus/control/control-channel.port';
import { ScalingReport } from '#lib/contracts/scaling';
import { ProblemError } from '#lib/contracts/problems';

/** What to scale (R034 to R062). */
@ApiTags('admin')
@Controller('v1/admin')
export class AdminScalingController {
  constructor(private readonly control: ControlChannelPort) {}

  /** Of the `ops` processes, the one whose metrics are newest. */
  @Get('scaling-advice')
  @ApiOperation({
    operationId: 'getScalingAdvice',
    summary: 'What to scale: workers, pods, pools or prefetch of each service, or nothing, and why',
  })
  @ApiOkResponse({ standardSchema: ScalingReport })
  async scalingAdvice(): Promise<ScalingReport> {
    const { processes, others } = await this.control.ask('scaling');
    const [newest] = processes
      .flatMap((each) => (each.silent || each.answer === null ? [] : [each.answer]))
      .toSorted((a, b) => b.at.localeCompare(a.at));
    if (newest !== undefined) return newest;
    const why = others === 'unreachable' ? 'RabbitMQ does not pass the question on.' : 'No process of the service ops answers.';
    throw new ProblemError('dependency-unavailable', `Advice is given by ops. ${why}`);
  }
}
