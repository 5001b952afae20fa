import { randomUUID } from 'node:crypto';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { EVENTS_EXCHANGE } from '#lib/contracts/pipeline';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import { metricsOf } from '#lib/testing/metrics-of';
import { PickyModel } from '#lib/testing/picky-model';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

const DEAD_LETTERS = 'embedding.messages.dlq';
const POISON = 'this text is poison to the model';

let model: PickyModel;
let parley: RunningParley;
let connection: ChannelModel;
let channel: Channel;

beforeAll(async () => {
  model = await PickyModel.start((text) => text === POISON);
  parley = await startParley({
    stack: inject('stack'),
    env: model.settings,
  });
  connection = await connect(parley.rabbitmqUrl, { timeout: 5_000 });
  channel = await connection.createChannel();
});
afterAll(async () => {
  await connection?.close();
  await parley?.stop();
  model?.stop();
});

describe('an event that cannot be handled', () => {
  it('is a dead letter after exactly three attempts when the model refuses its text, and hurts no neighbour', async () => {
    const alice = await parley.client('alice');
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const texts = Array.from({ length: 20 }, (_, i) => (i === 10 ? POISON : `a harmless message, number ${i}`));
    const messages = await Promise.all(texts.map((text) => alice.send(conversationId, text)));
    const poison = messages.find(({ content }) => content === POISON);

    await eventually(
      async () => {
        const states = (await alice.messages(conversationId, { limit: 200 })).items.map(({ id, pipeline }) => [id, pipeline.embedding]);
        expect(Object.fromEntries(states)).toEqual(
          Object.fromEntries(messages.map(({ id }) => [id, id === poison?.id ? 'failed' : 'done'])),
        );
      },
      { timeoutMs: 40_000, what: 'the neighbours are done and the poison has failed' },
    );

    const letter = await deadLetter();
    expect(JSON.parse(letter.content.toString())).toMatchObject({ type: 'message.created', data: { messageId: poison?.id } });
    expect(letter.properties).toMatchObject({ type: 'message.created', contentType: 'application/json', deliveryMode: 2 });
    expect(letter.properties.headers).toMatchObject({
      'x-attempt': 3,
      'x-attempts': 3,
      'x-error-class': 'TextRejected',
      'x-error': expect.stringContaining('does not take this text'),
      'x-origin-queue': 'embedding.messages',
      'x-conversation-id': conversationId,
    });
    expect(JSON.stringify(letter.properties.headers)).not.toContain(POISON);
    const { 'x-first-failed-at': first, 'x-last-failed-at': last } = letter.properties.headers ?? {};
    expect(Date.parse(String(last)) - Date.parse(String(first))).toBeGreaterThan(2_000 + 4_000);
    // Counted when RabbitMQ has confirmed the letter that was just read.
    await eventually(async () => expect(await attempts()).toEqual({ done: 19, retry: 2, 'dead-letter': 1 }));
    expect((await alice.search({ q: 'harmless message', mode: 'dense', conversationId, limit: 50 })).items).toHaveLength(19);
  });

  it('is a dead letter at once when it breaks its schema: trying again would change nothing', async () => {
    const before = await attempts();
    const neighbour = aMessageCreated();
    const { conversationId: _, ...broken } = aMessageCreated();
    for (const event of [broken, neighbour]) {
      const properties = { messageId: event.eventId, type: event.type, contentType: 'application/json', persistent: true };
      channel.publish(EVENTS_EXCHANGE, 'message.created', Buffer.from(JSON.stringify(event)), properties);
    }
    channel.publish(EVENTS_EXCHANGE, 'message.created', Buffer.from('not even JSON'), { messageId: randomUUID(), persistent: true });

    const letters = [await deadLetter(), await deadLetter()];
    expect(letters.map(({ properties }) => properties.headers)).toMatchObject([
      { 'x-error-class': 'Reject', 'x-attempts': 1, 'x-error': expect.stringContaining('conversationId') },
      { 'x-error-class': 'Reject', 'x-attempts': 1, 'x-error': expect.stringContaining('not JSON') },
    ]);
    await eventually(async () =>
      expect(await attempts()).toEqual({
        done: (before.done ?? 0) + 1,
        retry: before.retry,
        'dead-letter': (before['dead-letter'] ?? 0) + 2,
      }),
    );
  });
});

/** Takes the next dead letter for good. */
async function deadLetter() {
  return eventually(async () => {
    const letter = await channel.get(DEAD_LETTERS, { noAck: true });
    if (letter === false) throw new Error(`${DEAD_LETTERS} is empty`);
    return letter;
  });
}

async function attempts(): Promise<Partial<Record<string, number>>> {
  const metrics = await metricsOf(parley.embedding.url);
  const outcomes = ['done', 'retry', 'dead-letter'];
  return Object.fromEntries(
    outcomes.map((outcome) => [outcome, metrics.get(`event_attempts_total{queue="embedding.messages",outcome="${outcome}"}`) ?? 0]),
  );
}
