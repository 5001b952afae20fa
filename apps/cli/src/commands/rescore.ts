import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import pc from 'picocolors';
import { RabbitQueueStatus } from '#lib/bus/adapters/rabbitmq/rabbit-queue-status';
import type { QueueView } from '#lib/contracts/http';
import { UserId } from '#lib/contracts/ids';
import { PostgresOutbox } from '#lib/database/outbox/adapters/postgres-outbox';
import { counted } from '#lib/devstack/terminal/counted';
import { Explained } from '#lib/devstack/terminal/explain';
import { PostgresRescores } from '#lib/scores/rescoring/adapters/postgres-rescores';
import { expectedMs } from '#lib/scores/rescoring/estimate';
import type { RescoresPort } from '#lib/scores/rescoring/rescores.port';
import { askGateway } from '../operator/ask-gateway.js';
import { inOneProcess } from '../operator/in-one-process.js';
import { APP, operatorName } from '../operator/identity.js';
import { silentLog, withAuditLog } from '../operator/logs.js';
import { operatorConfig } from '../operator/operator-config.js';
import { withLane } from '../operator/with-lane.js';
import { duration } from '../output/cells.js';
import { printJson } from '../output/print-json.js';

/** Users in one statement. */
const PAGE = 500;
/** Users that may wait in the queue, and events in the outbox, as for the nightly run. */
const MAX_WAITING = 1_000;
const QUEUE = 'scoring.rescores';
const ASK_EVERY_MS = 2_000;

interface RescoreOptions {
  readonly user?: string;
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** What `parley rescore` did, or would do. */
interface Rescored {
  readonly users: number;
  /** Ends that a model will read. */
  readonly ends: number;
  /** At the least, by the budget of the model. */
  readonly expectedSeconds: number;
  readonly isDryRun: boolean;
}

/** Adds `parley rescore`. */
export function addRescoreCommand(program: Command): void {
  program
    .command('rescore')
    .description('score the ended conversations of one user or of all again, where there is something to score; behind what users wait for')
    .option('--user <id>', 'of this user')
    .option('--all', 'of every user')
    .option('--dry-run', 'only say how many, and how long the model would take')
    .option('--json', 'print {users, ends, expectedSeconds, isDryRun}')
    .action(rescore);
}

async function rescore({ user, all = false, dryRun = false, json = false }: RescoreOptions): Promise<void> {
  if ((user === undefined) === !all) throw new Explained('name one user with --user, or say --all', 2);
  if (user !== undefined && !UserId.safeParse(user).success) throw new Explained(`${JSON.stringify(user)} is no user id`, 2);
  const config = await operatorConfig();
  const facts = { audit: 'scores.rescore', by: operatorName(), user: user ?? null, all, dryRun };
  const { users, ends } = await withAuditLog(async (audit) => {
    audit.info(facts, 'rescore begins');
    const found = await withLane('work', (lanes) => {
      const rescores = new PostgresRescores(lanes.lane('work'));
      const room = dryRun ? undefined : new Room(new PostgresOutbox(lanes.lane('work')));
      return user === undefined ? everyone(rescores, room, json) : one(rescores, user, dryRun);
    });
    audit.info({ ...facts, ...found }, 'rescore ends');
    return found;
  });
  const outcome: Rescored = { users, ends, expectedSeconds: Math.ceil(expectedMs(ends, config) / 1_000), isDryRun: dryRun };
  if (json) return printJson(outcome);
  if (all && users === 0) return console.log('no user has ended a conversation that is to be scored again');
  const takes = outcome.expectedSeconds === 0 ? '' : `; the model takes ${duration(outcome.expectedSeconds * 1_000)} at the least`;
  const what = `${counted(users, 'user')} with ${counted(ends, 'end')} to score${takes}`;
  console.log(dryRun ? `would enqueue ${what}` : pc.green(`enqueued ${what}`));
}

/** One user, whether anything of it is due or not: an operator who names it wants it looked at. */
async function one(rescores: RescoresPort, userId: UserId, isDryRun: boolean): Promise<Pick<Rescored, 'users' | 'ends'>> {
  const found = await rescores.user(userId);
  if (found === undefined) throw new Explained(`user ${JSON.stringify(userId)} has ended no conversation`);
  if (!isDryRun) await rescores.enqueue([userId]);
  return { users: 1, ends: found.dueEnds };
}

async function everyone(rescores: RescoresPort, room: Room | undefined, isQuiet: boolean): Promise<Pick<Rescored, 'users' | 'ends'>> {
  let [users, ends, after] = [0, 0, ''];
  try {
    for (;;) {
      await room?.wait();
      const page = await rescores.users(after, PAGE, undefined);
      const due = page.filter(({ dueEnds }) => dueEnds > 0);
      if (room !== undefined) await rescores.enqueue(due.map(({ userId }) => userId));
      users += due.length;
      ends += due.reduce((sum, { dueEnds }) => sum + dueEnds, 0);
      if (!isQuiet && process.stderr.isTTY) process.stderr.write(`\r${users} users`);
      const last = page.at(-1);
      if (page.length < PAGE || last === undefined) break;
      after = last.userId;
    }
  } finally {
    if (!isQuiet && process.stderr.isTTY && users > 0) process.stderr.write('\n');
    await room?.close();
  }
  return { users, ends };
}

/** Waits until outbox and queue have room, so that what users wait for is not behind it. */
class Room {
  private rabbit: RabbitQueueStatus | undefined;

  constructor(private readonly outbox: PostgresOutbox) {}

  async wait(): Promise<void> {
    while (!(await this.isThere())) await sleep(ASK_EVERY_MS);
  }

  async close(): Promise<void> {
    await this.rabbit?.stop();
  }

  private async isThere(): Promise<boolean> {
    const { pending } = await this.outbox.depth();
    if (pending > MAX_WAITING) return false;
    const ready = (await this.queues()).find(({ name }) => name === QUEUE)?.ready;
    if (ready === undefined || ready === null) throw new Explained(`RabbitMQ does not say what waits in ${QUEUE}: is it running?`);
    return ready < MAX_WAITING;
  }

  private async queues(): Promise<readonly { readonly name: string; readonly ready: number | null }[]> {
    if (await inOneProcess()) return (await askGateway<{ items: QueueView[] }>('/v1/admin/queues', undefined)).items;
    return (await this.connected()).read();
  }

  private async connected(): Promise<RabbitQueueStatus> {
    if (this.rabbit === undefined) {
      const { RABBITMQ_URL: url, RABBITMQ_MANAGEMENT_URL: managementUrl, BUS_HEARTBEAT_S: heartbeatS } = await operatorConfig();
      this.rabbit = new RabbitQueueStatus({ url, managementUrl, app: APP, heartbeatS, logger: silentLog() });
      await this.rabbit.start();
    }
    return this.rabbit;
  }
}
