import { newEvent, type ScoreRecalculate } from '#lib/contracts/events';
import { derivedId, type UserId } from '#lib/contracts/ids';
import { type EnqueuedPage, type NightlyRun, type RescorableUser, RescoresPort } from '../rescores.port.js';

/** Users and runs in memory, for tests. */
export class MemoryRescores extends RescoresPort {
  readonly runs = new Map<string, NightlyRun & { readonly isFinished: boolean }>();
  finishedAt: Date | undefined;
  /** In the order of their ids. */
  known: RescorableUser[] = [];
  at = new Date();

  async now(): Promise<Date> {
    return this.at;
  }

  async underWay(): Promise<NightlyRun | undefined> {
    return [...this.runs.values()].find(({ isFinished }) => !isFinished);
  }

  async lastFinishedAt(): Promise<Date | undefined> {
    return this.finishedAt;
  }

  async begin(date: string): Promise<void> {
    if (this.runs.has(date) || (await this.underWay()) !== undefined) return;
    const start = { startedAt: this.at, activeSince: this.at, expectedEnds: undefined, cursor: '', enqueuedUsers: 0 };
    this.runs.set(date, { date, ...start, isFinished: false });
  }

  async expect(date: string, ends: number): Promise<boolean> {
    const run = this.runs.get(date);
    if (run === undefined || run.expectedEnds !== undefined) return false;
    this.runs.set(date, { ...run, expectedEnds: ends });
    return true;
  }

  async users(after: UserId, limit: number, activeSince: Date | undefined): Promise<RescorableUser[]> {
    const page = this.known.filter(({ userId }) => userId > after).slice(0, limit);
    return activeSince === undefined ? page.map((user) => ({ ...user, isActive: true })) : page;
  }

  async user(wanted: UserId): Promise<RescorableUser | undefined> {
    return this.known.find(({ userId }) => userId === wanted);
  }

  async enqueueNext(date: string, limit: number): Promise<EnqueuedPage | undefined> {
    const run = this.runs.get(date);
    if (run === undefined || run.isFinished) return undefined;
    const users = await this.users(run.cursor, limit, run.activeSince);
    const events = users
      .filter(({ isActive }) => isActive)
      .map(({ userId }) =>
        newEvent(
          'score.recalculate',
          { conversationId: null, userId, reason: 'nightly' },
          { eventId: derivedId('score.recalculate', date, userId) },
        ),
      );
    const isFinished = users.length < limit;
    if (isFinished) this.finishedAt = this.at;
    const cursor = users.at(-1)?.userId ?? run.cursor;
    this.runs.set(date, { ...run, cursor, enqueuedUsers: run.enqueuedUsers + events.length, isFinished });
    return { events, isFinished };
  }

  async enqueue(userIds: readonly UserId[]): Promise<ScoreRecalculate[]> {
    return userIds.map((userId) => newEvent('score.recalculate', { conversationId: null, userId, reason: 'operator' }));
  }
}
