import { EVENTS_EXCHANGE } from '#lib/contracts/pipeline';
import { SUBPROTOCOL } from '#lib/contracts/socket';
import type { DocumentPart } from './channels.js';
import { controlPart } from './control-channel.js';
import { eventPart } from './event-channels.js';
import { headerComponents } from './event-headers.js';
import { JsonSchemas } from '../json-schemas.js';
import { requestPart } from './request-channels.js';
import { socketPart } from './socket-channel.js';

const DESCRIPTION = [
  'What travels between the services over RabbitMQ, and between clients and the realtime service over WebSocket.',
  `**Events** are published to the topic exchange \`${EVENTS_EXCHANGE}\` in one envelope \`{eventId, type, version, occurredAt, conversationId, data}\`, persistent, with ` +
    '`message_id` = `eventId` and `type` = the routing key. Consumers ignore fields that they do not know; `eventId` stays the same through every retry and replay. Delivery is at least once.',
  'Operations are those of the service that their tag names: `send` is what it publishes, `receive` what it consumes.',
].join('\n\n');

/** Everything that is sent in messages, as an AsyncAPI 3.0 document: what `GET /asyncapi.json` answers. */
export const renderAsyncApi = (version: string): object => {
  const schemas = new JsonSchemas('draft-7');
  const parts = [eventPart(schemas), requestPart(schemas), controlPart(schemas), socketPart(schemas)];
  const all = (kind: keyof DocumentPart): object => Object.assign({}, ...parts.map((part) => part[kind]));
  return {
    asyncapi: '3.0.0',
    id: 'urn:parley:messages',
    info: {
      title: 'Parley messages',
      version,
      description: DESCRIPTION,
      license: { name: 'Proprietary' },
      tags: [{ name: 'events' }, { name: 'websocket' }],
    },
    defaultContentType: 'application/json',
    servers: {
      rabbitmq: {
        host: '{host}',
        protocol: 'amqp',
        protocolVersion: '0-9-1',
        title: 'RabbitMQ',
        description: 'Between services only. Each has a user of its own (`docker/rabbitmq/definitions.json`).',
        variables: { host: { default: 'localhost:5672', description: 'Of RABBITMQ_URL' } },
        security: [{ $ref: '#/components/securitySchemes/broker' }],
      },
      realtime: {
        host: '{host}',
        protocol: 'ws',
        protocolVersion: SUBPROTOCOL,
        title: 'Realtime service',
        description: 'For clients; `wss` behind a proxy. The token is in the first frame: no header and no URL carries it.',
        variables: { host: { default: 'localhost:8081', description: 'Host and port of the realtime service' } },
      },
    },
    channels: all('channels'),
    operations: all('operations'),
    components: {
      schemas: { ...headerComponents(), ...schemas.components },
      messages: all('messages'),
      securitySchemes: { broker: { type: 'userPassword', description: 'A user of RabbitMQ' } },
    },
  };
};
