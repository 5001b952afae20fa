import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { checkConsistency, consistent } from '#lib/testing/consistency-checker';
import { eventually } from '#lib/testing/eventually';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { SendJournal, SteadyLoad } from '#lib/testing/send-journal';

let own: PrivateStack; // a RabbitMQ that may be killed
let parley: RunningParley;

beforeAll(async () => {
  own = await startPrivateStack({ only: ['rabbitmq'] });
  const { rabbitmqUrl, rabbitmqManagementUrl } = own;
  parley = await startParley({ stack: { ...inject('stack'), rabbitmqUrl, rabbitmqManagementUrl } });
});
afterAll(async () => {
  await parley?.stop();
  await own?.stop();
});

it('Parley loses nothing, repeats nothing and leaves no gap when gateway, embedding and RabbitMQ are killed under load', async () => {
  const clients = await Promise.all(Array.from({ length: 8 }, (_, i) => parley.client(`user-${i}`)));
  const host = await parley.client('host');
  const memberIds = clients.map((_, i) => `user-${i}`);
  const conversations = await Promise.all(Array.from({ length: 6 }, () => host.createConversation({ memberIds })));
  const journal = new SendJournal();
  const load = new SteadyLoad({ journal, clients, conversationIds: conversations.map(({ id }) => id), pauseMs: 40 });
  const acknowledgeMore = (count: number) => {
    const wanted = journal.acknowledged.length + count;
    return eventually(() => expect(journal.acknowledged.length).toBeGreaterThanOrEqual(wanted), {
      timeoutMs: 60_000,
      what: `${count} more messages`,
    });
  };

  await acknowledgeMore(100);
  await parley.gateway.kill();
  await parley.gateway.start();
  await acknowledgeMore(100);

  await parley.embedding.kill();
  await acknowledgeMore(100);
  await parley.embedding.start();
  await acknowledgeMore(100);

  await own.rabbitmq.kill();
  await acknowledgeMore(100); // only Postgres stands between a sender and its 202
  await own.rabbitmq.start();
  await acknowledgeMore(100);

  await parley.gateway.kill(); // with what the outbox still holds
  await parley.gateway.start();
  await load.stop();

  expect(journal.acknowledged.length).toBe(journal.entries.length);
  await eventually(async () => expect(await checkConsistency(parley, journal.entries)).toEqual(consistent), {
    timeoutMs: 60_000,
    everyMs: 500,
    what: 'everything is where it belongs',
  });
}, 240_000);
