import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ControlChannelPort, type ProcessAnswer } from '#lib/bus/control/control-channel.port';
import { BreakerState, ProcessName, ProcessState } from '#lib/contracts/control';
import { type LockWait, LockWaitsPort } from '#lib/database/lock-waits.port';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DependencyError } from '#lib/resilience/call/errors';

/** Longest wait for the lock waits of Postgres: an operator asks here because something hangs, and Postgres may be what hangs. */
const LOCKS_WITHIN_MS = 2_000;

const others = z
  .enum(['asked', 'unreachable'])
  .meta({ description: 'unreachable = RabbitMQ does not pass questions on: only the processes behind this port could be asked' });

const SilentProcess = ProcessName.extend({
  silent: z.literal(true),
  reason: z.enum(['no-answer', 'unreachable', 'not-understood', 'failed']).meta({ description: 'Why nothing is known of it' }),
});

const InFlightReport = z
  .object({
    items: z.array(
      z.discriminatedUnion('silent', [ProcessName.extend({ silent: z.literal(false), ...ProcessState.shape }), SilentProcess]),
    ),
    others,
    lockWaits: z
      .array(
        z.object({ pid: z.int(), application: z.string(), waitingSeconds: z.number(), blockedBy: z.array(z.object({ pid: z.int() })) }),
      )
      .nullable()
      .meta({ description: 'Who waits for whose lock; null = Postgres does not say' }),
  })
  .meta({ id: 'InFlightReport' });

const BreakerList = z
  .object({
    items: z.array(ProcessName.extend(BreakerState.shape)),
    others,
    silent: z.array(SilentProcess).meta({ description: 'Processes whose breakers are not known' }),
  })
  .meta({ id: 'BreakerList' });

type InFlightView = Omit<z.infer<typeof InFlightReport>, 'lockWaits'> & { readonly lockWaits: readonly LockWait[] | null };

/** What every process of every app is doing (R063, R064). */
@ApiTags('admin')
@Controller('v1/admin')
export class AdminProcessesController {
  constructor(
    private readonly lockWaits: LockWaitsPort,
    private readonly control: ControlChannelPort,
  ) {}

  /** Each request and event in hand with what it waits for and since when, pools, event-loop lag, breakers that are not closed, and lock waits. */
  @Get('in-flight')
  @ApiOperation({ operationId: 'getInFlight', summary: 'What every process has in hand, and what it waits for' })
  @ApiOkResponse({ standardSchema: InFlightReport })
  async inFlight(): Promise<InFlightView> {
    const [{ processes, others }, lockWaits] = await Promise.all([this.control.ask('report'), this.whoWaits()]);
    const items = processes.flatMap((each): InFlightView['items'] => {
      if (each.silent) return [each];
      const { answer, ...name } = each;
      return answer === null ? [] : [{ ...name, ...answer }];
    });
    return { items, others, lockWaits };
  }

  @Get('breakers')
  @ApiOperation({ operationId: 'listBreakers', summary: 'Every circuit breaker of every process' })
  @ApiOkResponse({ standardSchema: BreakerList })
  async breakers(): Promise<z.infer<typeof BreakerList>> {
    const { processes, others } = await this.control.ask('breakers');
    const items = processes.flatMap((each) =>
      each.silent ? [] : (each.answer ?? []).map((breaker) => ({ app: each.app, host: each.host, pid: each.pid, ...breaker })),
    );
    return { items, others, silent: processes.filter(isSilent) };
  }

  /** null when Postgres does not answer: the rest is shown all the same. */
  private async whoWaits(): Promise<LockWait[] | null> {
    try {
      return await withDeadline(LOCKS_WITHIN_MS, () => this.lockWaits.read());
    } catch (error) {
      if (error instanceof DependencyError || (error instanceof Error && error.name === 'DeadlineExceeded')) return null;
      throw error;
    }
  }
}

const isSilent = <T>(answer: ProcessAnswer<T>): answer is Extract<ProcessAnswer<T>, { silent: true }> => answer.silent;
