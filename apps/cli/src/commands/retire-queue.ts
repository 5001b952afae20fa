import pc from 'picocolors';
import { RabbitQueueStatus } from '#lib/bus/adapters/rabbitmq/rabbit-queue-status';
import { type Retirement, retireQueue } from '#lib/bus/adapters/rabbitmq/retire-queue';
import { ProblemError } from '#lib/contracts/problems';
import { Explained } from '#lib/devstack/terminal/explain';
import { connectRabbitmq } from '../adapters/servers.js';
import { APP, operatorName } from '../operator/identity.js';
import { inOneProcess } from '../operator/in-one-process.js';
import { silentLog, withAuditLog } from '../operator/logs.js';
import { operatorConfig } from '../operator/operator-config.js';
import { printJson } from '../output/print-json.js';

/** `parley queues retire <name>`: takes a queue that no row of the pipeline describes out of the way. */
export async function retire(name: string, { force = false, json = false }: { force?: boolean; json?: boolean }): Promise<void> {
  const retirement = await carriedOut(name, force);
  if (json) printJson(retirement);
  else if (retirement.left.length === 0) console.log(pc.green(`deleted: ${retirement.deleted.join(', ')}`));
  if (retirement.left.length === 0) return;
  const left = retirement.left.map(({ name: queue, ready, consumers }) => `  ${queue}: ${ready} messages, ${consumers} consumers`);
  throw new Explained(`${name} hears nothing any more, but is not empty; --force deletes it with what it holds:\n${left.join('\n')}`);
}

async function carriedOut(name: string, force: boolean): Promise<Retirement> {
  if (await inOneProcess()) throw new Explained('the embedded mode has no RabbitMQ, and so no queue that nothing describes');
  const { RABBITMQ_URL: url, RABBITMQ_MANAGEMENT_URL: managementUrl, BUS_HEARTBEAT_S: heartbeatS } = await operatorConfig();
  const facts = { audit: 'queues.retire', by: operatorName(), queue: name, force };
  const model = await connectRabbitmq(url).catch(() => {
    throw new Explained(`RabbitMQ at ${new URL(url).host} does not answer: is it running?`);
  });
  const status = new RabbitQueueStatus({ url, managementUrl, app: APP, heartbeatS, logger: silentLog() });
  try {
    await status.start();
    const bound = (await status.unknownQueues())?.find((queue) => queue.name === name);
    return await withAuditLog(async (audit) => {
      audit.info(facts, 'queues: retire begins');
      const retirement = await retireQueue(model, { name, force, routingKeys: bound?.routingKeys ?? [] });
      audit.info({ ...facts, deleted: retirement.deleted, left: retirement.left }, 'queues: retire ends');
      return retirement;
    });
  } catch (error) {
    if (error instanceof ProblemError) throw new Explained(error.detail, error.code === 'validation' ? 2 : 1);
    throw error;
  } finally {
    await Promise.all([status.stop(), model.close().catch(() => undefined)]);
  }
}
