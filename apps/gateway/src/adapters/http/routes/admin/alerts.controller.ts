import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ControlChannelPort } from '#lib/bus/control/control-channel.port';
import { AlertsReport } from '#lib/contracts/alerts';
import { ProblemError } from '#lib/contracts/problems';

/** Alerts of the alerter in `ops` (R089 to R091). */
@ApiTags('admin')
@Controller('v1/admin')
export class AdminAlertsController {
  constructor(private readonly control: ControlChannelPort) {}

  /** Of the `ops` processes, the one that looked last; what was sent, of all of them. */
  @Get('alerts')
  @ApiOperation({ operationId: 'getAlerts', summary: 'Alerts that fire or are about to, and the last notices' })
  @ApiOkResponse({ standardSchema: AlertsReport })
  async alerts(): Promise<AlertsReport> {
    const { processes, others } = await this.control.ask('alerts');
    const reports = processes
      .flatMap((each) => (each.silent || each.answer === null ? [] : [each.answer]))
      .toSorted((one, other) => other.at.localeCompare(one.at));
    const [newest] = reports;
    if (newest !== undefined) {
      const lastSent = reports.flatMap((report) => report.lastSent).toSorted((one, other) => other.at.localeCompare(one.at));
      return { ...newest, lastSent: lastSent.slice(0, 20) };
    }
    const why = others === 'unreachable' ? 'RabbitMQ does not pass the question on.' : 'No process of the service ops answers.';
    throw new ProblemError('dependency-unavailable', `Alerts are watched by ops. ${why}`);
  }
}
