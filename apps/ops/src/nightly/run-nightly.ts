import { Inject, Injectable } from '@nestjs/common';
import { QueueStatusPort } from '#lib/bus/queue-status/queue-status.port';
import type { UserId } from '#lib/contracts/ids';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { expectedMs } from '#lib/scores/rescoring/estimate';
import { type NightlyRun, RescoresPort } from '#lib/scores/rescoring/rescores.port';
import { NightlySchedulePort } from './nightly-schedule.port.js';

/** Users in one page: their ends are looked up within the time of one statement. */
const PAGE = 250;
/** Users that are looked at in one statement to know how much there is to do. */
const COUNT_PAGE = 500;
/** Users that may wait in the queue; one more page makes 1,250. What an outage leaves behind is then scored within the hour. */
const MAX_WAITING = 1_000;
/** Events that may wait in the outbox: more means that RabbitMQ does not take them, and users' events come first. */
const MAX_PENDING = 1_000;
const QUEUE = 'scoring.rescores';
const HOUR_MS = 3_600_000;

/**
 * Has every active user scored again once a night (R080, ADR 37), by events into a queue of their own. Any process of `ops` may take any step: each is
 * one commit, so a process that dies costs nothing, and two of them are as good as one.
 *
 *     turn of the schedule --begin--> counted: how long will it take? --room in queue and outbox--> a page --last page--> finished
 *                                                                      ^------ next call, 5 s later ----'
 *
 * A turn that was missed is made up for within NIGHTLY_WINDOW_HOURS; a run that has begun goes on until it is finished.
 */
@Injectable()
export class RunNightly {
  private isLastShown = false;
  private readonly config: Pick<Config, 'NIGHTLY_WINDOW_HOURS' | 'LLM_PROVIDER' | 'LLM_REQUESTS_PER_MINUTE'>;

  constructor(
    private readonly rescores: RescoresPort,
    private readonly schedule: NightlySchedulePort,
    private readonly queues: QueueStatusPort,
    private readonly relay: OutboxRelay,
    @Inject(CONFIG) config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.config = config;
  }

  /** Takes the next step, if there is one and there is room for it. @throws DependencyError when Postgres is out. */
  async execute(signal: AbortSignal): Promise<void> {
    if (!this.isLastShown) await this.showLast();
    const run = (await this.rescores.underWay()) ?? (await this.begun());
    if (run === undefined) return;
    if (run.expectedEnds === undefined) await this.tellHowLong(run, signal);
    if (signal.aborted || !(await this.hasRoom())) return;
    const page = await this.rescores.enqueueNext(run.date, PAGE);
    if (page === undefined) return;
    for (const event of page.events) this.relay.publishSoon(event);
    metrics.nightlyUsers.inc(page.events.length);
    if (page.isFinished) this.finished(run, page.events.length);
  }

  /** What this process has not seen itself: else a night that is missed after a restart is missed in silence. */
  private async showLast(): Promise<void> {
    const at = await this.rescores.lastFinishedAt();
    if (at !== undefined) metrics.nightlyFinished.set(at.getTime() / 1_000);
    this.isLastShown = true;
  }

  private async begun(): Promise<NightlyRun | undefined> {
    const now = await this.rescores.now();
    const turn = this.schedule.latest(now);
    if (turn === undefined || now.getTime() - turn.at.getTime() > this.config.NIGHTLY_WINDOW_HOURS * HOUR_MS) return undefined;
    await this.rescores.begin(turn.date);
    return this.rescores.underWay();
  }

  /** Counts what a model will have to read, before anything is enqueued. Interrupted, it is counted again. */
  private async tellHowLong({ date, activeSince }: NightlyRun, signal: AbortSignal): Promise<void> {
    let [users, ends] = [0, 0];
    let after: UserId | undefined = '';
    while (after !== undefined) {
      if (signal.aborted) return;
      const page = await this.rescores.users(after, COUNT_PAGE, activeSince);
      users += page.filter(({ isActive }) => isActive).length;
      ends += page.reduce((sum, { dueEnds }) => sum + dueEnds, 0);
      after = page.length < COUNT_PAGE ? undefined : page.at(-1)?.userId;
    }
    if (!(await this.rescores.expect(date, ends))) return;
    const { NIGHTLY_WINDOW_HOURS: windowHours, LLM_REQUESTS_PER_MINUTE: requestsPerMinute } = this.config;
    const ms = expectedMs(ends, this.config);
    metrics.nightlyExpected.set(ms / 1_000);
    const facts = { date, users, ends, requestsPerMinute, expectedHours: Number((ms / HOUR_MS).toFixed(2)), windowHours };
    if (ms <= windowHours * HOUR_MS) this.logger.info(facts, 'nightly scoring begins');
    else this.logger.error({ code: 'nightly-exceeds-window', ...facts }, 'nightly scoring will take longer than its window');
  }

  /** Whether users and their conversations would not wait behind what a page adds. Not when that is not known. */
  private async hasRoom(): Promise<boolean> {
    const { depth } = this.relay;
    if (depth === undefined || depth.pending > MAX_PENDING) return false;
    const ready = (await this.queues.read()).find(({ name }) => name === QUEUE)?.ready ?? Number.POSITIVE_INFINITY;
    return ready < MAX_WAITING;
  }

  private finished({ date, startedAt, enqueuedUsers }: NightlyRun, last: number): void {
    metrics.nightlyFinished.set(Date.now() / 1_000);
    this.logger.info({ date, users: enqueuedUsers + last, startedAt }, 'nightly scoring: every active user is enqueued');
  }
}
