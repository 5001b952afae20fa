import { z } from 'zod';
import { type EventType, eventSchemas } from './events.js';
import { EVENTS_EXCHANGE, pipeline } from './pipeline.js';

/** The events and queues of this version as an AsyncAPI 3.0 document: what `GET /asyncapi.json` answers. */
export const renderAsyncApi = (version: string): object => {
  const types = Object.keys(eventSchemas) as EventType[];
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Parley events',
      version,
      description: 'Consumers ignore fields they do not know. `eventId` stays the same through every retry and replay.',
    },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(
      types.map((type) => [
        type,
        {
          address: type,
          messages: { [type]: { $ref: `#/components/messages/${type}` } },
          bindings: {
            amqp: { is: 'routingKey', exchange: { name: EVENTS_EXCHANGE, type: 'topic', durable: true } },
          },
        },
      ]),
    ),
    operations: Object.fromEntries(
      Object.entries(pipeline).flatMap(([queue, row]) =>
        row.hears.map((type) => [
          `${queue} receives ${type}`,
          {
            action: 'receive',
            channel: { $ref: `#/channels/${type}` },
            summary: `App ${row.app}, ${row.attempts} attempts, then ${queue}.dlq`,
          },
        ]),
      ),
    ),
    components: {
      messages: Object.fromEntries(
        types.map((type) => [
          type,
          {
            name: type,
            contentType: 'application/json',
            payload: z.toJSONSchema(eventSchemas[type], { io: 'input', unrepresentable: 'any' }),
          },
        ]),
      ),
    },
  };
};
