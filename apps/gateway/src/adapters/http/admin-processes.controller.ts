import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { type LockWait, LockWaitsPort } from '#lib/database/lock-waits.port';
import type { BreakerReport } from '#lib/resilience/breakers';
import { DependencyError } from '#lib/resilience/errors';
import { withDeadline } from '#lib/resilience/deadline';
import type { ProcessReport } from '#lib/runtime/process-report';
import { askSiblings } from '#lib/runtime/sibling-workers';

/** Longest wait for what Postgres says of locks: whoever looks here looks because something hangs. */
const LOCKS_WITHIN_MS = 2_000;

const wait = z.object({
  dependency: z.string(),
  operation: z.string(),
  stage: z.enum(['place', 'connection', 'answer', 'retry']),
  forMs: z.number(),
});
const InFlightReport = z
  .object({
    items: z.array(
      z.object({
        pid: z.int(),
        silent: z.boolean().meta({ description: 'It did not answer within a second: it hangs, or is very busy' }),
        eventLoopLagMs: z.number().optional(),
        work: z
          .object({
            count: z.int(),
            items: z.array(
              z.object({
                kind: z.enum(['request', 'event']),
                id: z.string(),
                what: z.string(),
                phase: z.enum(['receiving', 'handling', 'answered']),
                ageMs: z.number(),
                deadlineMs: z.number().nullable(),
                isOverdue: z.boolean(),
                waitingFor: z.array(wait),
              }),
            ),
          })
          .optional(),
        pools: z
          .array(z.object({ name: z.string(), size: z.int(), inUse: z.int(), waiting: z.int(), exhaustedForMs: z.number() }))
          .optional(),
      }),
    ),
    lockWaits: z
      .array(
        z.object({ pid: z.int(), application: z.string(), waitingSeconds: z.number(), blockedBy: z.array(z.object({ pid: z.int() })) }),
      )
      .nullable()
      .meta({ description: 'null = Postgres does not say' }),
  })
  .meta({ id: 'InFlightReport' });

const BreakerList = z
  .object({
    items: z.array(
      z.object({
        pid: z.int(),
        dependency: z.string(),
        operation: z.string(),
        state: z.enum(['closed', 'half-open', 'open']),
        since: z.iso.datetime(),
      }),
    ),
  })
  .meta({ id: 'BreakerList' });

type InFlightView = { readonly items: readonly object[]; readonly lockWaits: readonly LockWait[] | null };
type BreakerView = BreakerReport & { readonly pid: number };

/** What the processes behind this port are doing; with several workers, all of them (R063, R064). */
@ApiTags('admin')
@Controller('v1/admin')
export class AdminProcessesController {
  constructor(private readonly lockWaits: LockWaitsPort) {}

  /** Each request in hand with what it waits for and since when, pools, event-loop lag, breakers that are not closed, and who waits for whose lock. */
  @Get('in-flight')
  @ApiOperation({ summary: 'What every process has in hand, and what it waits for' })
  @ApiOkResponse({ standardSchema: InFlightReport })
  async inFlight(): Promise<InFlightView> {
    const [{ workers }, lockWaits] = await Promise.all([askSiblings<ProcessReport>('report'), this.whoWaits()]);
    const items = workers.map((worker) => (worker.silent ? worker : { ...worker.answer, silent: false }));
    return { items, lockWaits };
  }

  @Get('breakers')
  @ApiOperation({ summary: 'Every circuit breaker of every process' })
  @ApiOkResponse({ standardSchema: BreakerList })
  async breakers(): Promise<{ items: BreakerView[] }> {
    const { workers } = await askSiblings<readonly BreakerReport[] | undefined>('breakers');
    return {
      items: workers.flatMap((worker) => (worker.silent ? [] : (worker.answer ?? []).map((each) => ({ pid: worker.pid, ...each })))),
    };
  }

  /** Postgres may be what hangs: then that is not known, and the rest is shown all the same. */
  private async whoWaits(): Promise<LockWait[] | null> {
    try {
      return await withDeadline(LOCKS_WITHIN_MS, () => this.lockWaits.read());
    } catch (error) {
      if (error instanceof DependencyError || (error instanceof Error && error.name === 'DeadlineExceeded')) return null;
      throw error;
    }
  }
}
