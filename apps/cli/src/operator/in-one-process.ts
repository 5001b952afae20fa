import { runningStack } from '#lib/devstack/home/running-stack';

/** Whether the Parley to operate is one process without RabbitMQ, so that its queues are asked for at its gateway. A caller who names one means that. */
export async function inOneProcess(): Promise<boolean> {
  if (process.env['RABBITMQ_URL'] || process.env['RABBITMQ_URL_FILE']) return false;
  return (await runningStack())?.embedded !== undefined;
}
