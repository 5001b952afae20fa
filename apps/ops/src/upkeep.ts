import { Inject, Injectable } from '@nestjs/common';
import { InboxPort } from '#lib/bus/consume/run/inbox.port';
import { IndexDocumentWords } from '#lib/conversations/documents/index-document-words';
import { IndexTexts } from '#lib/conversations/index-texts';
import { JobStorePort } from '#lib/jobs/job-store.port';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { Health } from '#lib/runtime/health/health';
import { WatchAlerts } from './alerts/watch-alerts.js';
import { FollowUnsettledWrites } from './consistency/follow-unsettled-writes.js';
import { RunConsistency } from './consistency/run-consistency.js';
import { RunAdvice } from './advice/run-advice.js';
import { RunScrape } from './scrape/run-scrape.js';
import { RunNightly } from './nightly/run-nightly.js';
import { CompareScores } from './scores/compare-scores.js';
import { MeasureProcesses } from './measurements/measure-processes.js';
import { MeasureQueues } from './measure-queues.js';
import { PeriodicTasks } from '#lib/runtime/work/periodic-tasks';

const MEASURE_QUEUES_EVERY_MS = 5_000;
/** Of all processes, for alerts and advice: an alert of the highest severity is sent within 15 s. */
const SCRAPE_EVERY_MS = 5_000;
/** Windows of a minute do not change faster. */
const ADVISE_EVERY_MS = 30_000;
const FOLLOW_WRITES_EVERY_MS = 10_000;
/** How long an operator waits for a comparison to begin. */
const LOOK_FOR_RUNS_EVERY_MS = 2_000;
/** Pause between two looks for texts to index: most of the time from an acknowledgement until search knows the words. */
const INDEX_TEXTS_EVERY_MS = 100;
/** The same for documents, whose vectors take longer than their words. */
const INDEX_WORDS_EVERY_MS = 500;
const RETRY_TEXTS_EVERY_MS = 10_000;
const MEASURE_TEXTS_EVERY_MS = 5_000;
const PRUNE_INBOX_EVERY_MS = 3_600_000;
/** Longer than an event can come back: a dead letter that is older than a month is discarded, not replayed. */
const INBOX_MEMORY_MS = 30 * 24 * 3_600_000;
/** Between two pages of users that are scored again: the relay and the measuring of queues come between. */
const NIGHTLY_EVERY_MS = 5_000;
/** Between two pages of 1,000 users: a million of them take eight hours. */
const COMPARE_SCORES_EVERY_MS = 30_000;
const REMOVE_JOBS_EVERY_MS = 600_000;
/** How long an ended job can be asked for. */
const JOBS_KEPT_MS = 30 * 24 * 3_600_000;
/** A score takes minutes. Its job is open longer when its event is parked, or a process died between the dead letter and its mark. */
const SCORE_WITHIN_MS = 24 * 3_600_000;
const NOT_SCORED = 'The score was not calculated within 24 hours. Ask again.';
const FAIL_JOBS_EVERY_MS = 600_000;

/** What this process knows of its dependencies is fresh in the round that is looked at. */
const watch = async (
  health: Health,
  scrape: RunScrape,
  processes: MeasureProcesses,
  alerts: WatchAlerts,
  signal: AbortSignal,
): Promise<void> => {
  await health.report();
  await scrape.execute(signal);
  processes.execute();
  await alerts.execute();
};

/** Everything that the ops process does again and again, beside the sweeps of the outbox. */
@Injectable()
export class Upkeep extends PeriodicTasks {
  constructor(
    queues: MeasureQueues,
    scrape: RunScrape,
    processes: MeasureProcesses,
    advice: RunAdvice,
    alerts: WatchAlerts,
    health: Health,
    consistency: RunConsistency,
    writes: FollowUnsettledWrites,
    texts: IndexTexts,
    words: IndexDocumentWords,
    inbox: InboxPort,
    jobs: JobStorePort,
    nightly: RunNightly,
    scores: CompareScores,
    @Inject(LOGGER) logger: Logger,
    lifecycle: Lifecycle,
  ) {
    super(
      [
        { name: 'measure queues', everyMs: MEASURE_QUEUES_EVERY_MS, run: () => queues.execute() },
        { name: 'scaling advice', everyMs: ADVISE_EVERY_MS, run: () => advice.execute() },
        {
          name: 'scrape metrics and watch alerts',
          everyMs: SCRAPE_EVERY_MS,
          run: (signal) => watch(health, scrape, processes, alerts, signal),
        },
        { name: 'consistency', everyMs: LOOK_FOR_RUNS_EVERY_MS, run: (signal) => consistency.execute(signal) },
        { name: 'unsettled vector writes', everyMs: FOLLOW_WRITES_EVERY_MS, run: () => writes.execute() },
        { name: 'index texts', everyMs: INDEX_TEXTS_EVERY_MS, run: (signal) => texts.execute(signal) },
        { name: 'index words of documents', everyMs: INDEX_WORDS_EVERY_MS, run: (signal) => words.execute(signal) },
        { name: 'retry texts', everyMs: RETRY_TEXTS_EVERY_MS, run: (signal) => texts.retry(signal) },
        { name: 'measure texts', everyMs: MEASURE_TEXTS_EVERY_MS, run: () => texts.measure() },
        { name: 'nightly scoring', everyMs: NIGHTLY_EVERY_MS, run: (signal) => nightly.execute(signal) },
        { name: 'compare scores', everyMs: COMPARE_SCORES_EVERY_MS, run: () => scores.execute() },
        { name: 'prune inbox', everyMs: PRUNE_INBOX_EVERY_MS, run: () => inbox.prune(INBOX_MEMORY_MS) },
        {
          name: 'fail forgotten jobs',
          everyMs: FAIL_JOBS_EVERY_MS,
          run: () => jobs.failUntouchedSince(new Date(Date.now() - SCORE_WITHIN_MS), 'score', NOT_SCORED),
        },
        {
          name: 'remove ended jobs',
          everyMs: REMOVE_JOBS_EVERY_MS,
          run: () => jobs.removeEndedBefore(new Date(Date.now() - JOBS_KEPT_MS)),
        },
      ],
      logger,
    );
    lifecycle.add({ name: 'periodic tasks', phase: 'background', start: () => this.start(), stop: () => this.stop() });
  }
}
