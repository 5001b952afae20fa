import specs from '@asyncapi/specs';
import { Ajv, type AnySchemaObject } from 'ajv';
import { describe, expect, it } from 'vitest';
import { topologyOf } from '#lib/bus/topology';
import { eventSchemas } from '#lib/contracts/events';
import { pipeline, queues, requests } from '#lib/contracts/pipeline';
import { ClientFrame, closeCodes, ServerFrame } from '#lib/contracts/socket';
import { renderAsyncApi } from '../../apps/gateway/src/adapters/http/schema/asyncapi/asyncapi.js';

type Json = { [key: string]: Json };
interface Message {
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly payload: object;
  readonly headers?: object;
  readonly examples: readonly { readonly payload: object; readonly headers?: object }[];
}
interface Operation {
  readonly action: string;
  readonly channel: { readonly $ref: string };
  readonly messages: readonly { readonly $ref: string }[];
  readonly reply?: { readonly channel: { readonly $ref: string }; readonly messages: readonly { readonly $ref: string }[] };
}
interface Document {
  readonly channels: Record<string, { readonly messages: Record<string, unknown> } & Json>;
  readonly operations: Record<string, Operation>;
  readonly components: { readonly schemas: Record<string, object>; readonly messages: Record<string, Message> };
}

const copy = (): Document & Json => JSON.parse(JSON.stringify(renderAsyncApi('1.0.0'))) as Document & Json;
const document = copy();

// The published schema, and draft 07 that it brings, do not keep to Ajv's strict mode; what we print does, see `refused`.
const ajv = new Ajv({ strict: false, meta: false, validateSchema: false, validateFormats: false });
const isAsyncApi = ajv.compile(specs.schemas['3.0.0'] as AnySchemaObject);

/** The messages of a document whose examples its schemas refuse. */
const refused = ({ components }: Document): string[] => {
  const strict = new Ajv({ strict: true, allowUnionTypes: true, strictRequired: false });
  strict.addFormat('uuid', /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  strict.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
  const named = (schema: object): AnySchemaObject =>
    JSON.parse(JSON.stringify(schema).replaceAll('"#/components/schemas/', '"')) as AnySchemaObject;
  for (const [name, schema] of Object.entries(components.schemas)) strict.addSchema(named(schema), name);
  const accepts = (schema: object, value: unknown): boolean => strict.compile(named(schema))(value) as boolean;
  return Object.entries(components.messages).flatMap(([name, { payload, headers, examples }]) => {
    const good = examples.filter(
      (example) => accepts(payload, example.payload) && (headers === undefined || accepts(headers, example.headers ?? {})),
    );
    return examples.length > 0 && good.length === examples.length ? [] : [name];
  });
};

/** What a JSON pointer leads to. */
const found = (root: Json, pointer: string): Json | undefined =>
  pointer
    .slice(2)
    .split('/')
    .reduce<Json | undefined>((at, part) => at?.[part.replaceAll('~1', '/').replaceAll('~0', '~')], root);

const refsIn = (value: unknown): string[] => {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === '$ref' && typeof inner === 'string' ? [inner] : refsIn(inner)));
};

describe('the AsyncAPI document', () => {
  it('is valid by the published schema of AsyncAPI 3', () => {
    const isValid = isAsyncApi(document);
    expect({ isValid, errors: isAsyncApi.errors }).toEqual({ isValid: true, errors: null });
  });

  it.each<[string, (broken: Document & Json) => void]>([
    [
      'an operation without an action',
      ({ operations }) => Reflect.deleteProperty(operations['gateway.send.message.created'] ?? {}, 'action'),
    ],
    ['a field that AsyncAPI does not know', ({ channels }) => Object.assign(channels['message.created'] ?? {}, { routing: 'topic' })],
    [
      'an exchange of no such type',
      ({ channels }) => Object.assign(found(channels, '#/message.created/bindings/amqp/exchange') ?? {}, { type: 'ring' }),
    ],
    [
      'a socket that is opened with DELETE',
      ({ channels }) => Object.assign(found(channels, '#/socket/bindings/ws') ?? {}, { method: 'DELETE' }),
    ],
    ['a schema of no such type', ({ components }) => Object.assign(components.schemas['MessageCreated'] ?? {}, { type: 'record' })],
  ])('would not be valid with %s', (_, breaks) => {
    const broken = copy();
    breaks(broken);
    expect(isAsyncApi(broken)).toBe(false);
  });

  it('refers to nothing that is not there', () => {
    const refs = refsIn(document);
    expect(refs.length).toBeGreaterThan(300);
    expect(refs.filter((ref) => found(document, ref) === undefined)).toEqual([]);
  });

  it('has in each operation only messages of its channel', () => {
    const pairs = Object.values(document.operations).flatMap(({ channel, messages, reply }) => [
      { channel, messages },
      ...(reply === undefined ? [] : [reply]),
    ]);
    const strays = pairs.flatMap(({ channel, messages }) => messages.filter(({ $ref }) => !$ref.startsWith(`${channel.$ref}/messages/`)));
    expect(strays).toEqual([]);
  });
});

describe('the examples of the AsyncAPI document', () => {
  it('are there for every message, with title and summary, and valid by its schema', () => {
    expect(refused(document)).toEqual([]);
    expect(Object.values(document.components.messages).filter(({ title, summary }) => title === '' || summary === '')).toEqual([]);
  });

  it.each<[string, string, object]>([
    ['an id that is none', 'message.created', { eventId: 'seven' }],
    ['another type', 'message.edited', { type: 'message.created' }],
    ['data of another event', 'member.added', { data: { conversationId: null } }],
    ['a number as the detail of an error', 'ServerErrorFrame', { detail: 7 }],
    ['a field that no frame of a client has', 'TypingFrame', { isTyping: true }],
  ])('would be refused with %s', (_, name, change) => {
    const broken = copy();
    Object.assign(broken.components.messages[name]?.examples[0]?.payload ?? {}, change);
    expect(refused(broken)).toContain(name);
  });
});

describe('the AsyncAPI document has', () => {
  it('every event, and every queue with its retry and dead-letter queues as they are declared', () => {
    expect(Object.keys(document.channels)).toEqual(expect.arrayContaining(Object.keys(eventSchemas)));
    const declared = Object.fromEntries(topologyOf(pipeline).queues.map(({ name, arguments: args }) => [name, args]));
    const described = Object.keys(declared).map((name) => [name, document.channels[name]?.['x-queue-arguments']]);
    expect(Object.fromEntries(described)).toEqual(declared);
  });

  it('who sends and who receives', () => {
    const operations = Object.keys(document.operations);
    const receivers = Object.entries(queues).map(([queue, { app, kind }]) => `${app}.${kind === 'events' ? 'receive' : 'answer'}.${queue}`);
    expect(operations).toEqual(expect.arrayContaining(receivers));
    expect(operations.filter((name) => name.endsWith('send.message.created'))).toEqual(
      ['gateway', 'realtime', 'ops'].map((app) => `${app}.send.message.created`),
    );
    expect(operations.filter((name) => name.endsWith('send.score.recalculate'))).toHaveLength(4);
    expect(operations.filter((name) => name.endsWith('send.push.due'))).toEqual(['delivery.send.push.due']);
  });

  it('questions with the channel of their answers', () => {
    for (const queue of Object.keys(requests)) {
      expect(document.operations[`gateway.ask.${queue}`]?.reply?.channel.$ref).toBe(`#/channels/${queue}.replies`);
    }
  });

  it('every frame of the socket, every close code, and what answers what', () => {
    const names = Object.keys(document.channels['socket']?.messages ?? {}).map((name) => document.components.messages[name]?.name);
    const types = [...ClientFrame.options, ...ServerFrame.options].map(({ shape }) => shape.type.value);
    expect(names).toEqual(types);
    expect(Object.keys(document.channels['socket']?.['x-close-codes'] ?? {}).map(Number)).toEqual(Object.values(closeCodes));
    const answers = (operation: string) => document.operations[operation]?.reply?.messages.map(({ $ref }) => $ref.split('/').at(-1));
    expect(answers('realtime.receive.hello')).toEqual(['ServerWelcomeFrame']);
    expect(answers('realtime.receive.send')).toEqual(['ServerAckFrame', 'ServerErrorFrame']);
    expect(answers('realtime.receive.resume')).toEqual(['ServerResumedFrame', 'ServerErrorFrame']);
    expect(answers('realtime.send.ping')).toEqual(['PongFrame']);
  });
});
