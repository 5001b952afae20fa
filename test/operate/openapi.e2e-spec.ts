import { createConfig, lintFromString } from '@redocly/openapi-core';
import type { AnySchemaObject } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mintToken } from '#lib/devstack/mint-token';
import { NewMessage } from '#lib/contracts/http';
import { bootGateway, closeGateways, SECRET } from '../../apps/gateway/src/memory-gateway.contract.js';

type Json = Record<string, unknown>;
interface Media {
  readonly schema: Json;
  readonly example?: unknown;
  readonly examples?: Record<string, { readonly value: unknown }>;
}
interface Answer {
  readonly $ref?: string;
  readonly description?: string;
  readonly headers?: Record<string, { readonly $ref: string }>;
  readonly content?: Record<string, Media>;
}
interface Parameter {
  readonly $ref?: string;
  readonly name?: string;
  readonly in?: string;
  readonly required?: boolean;
  readonly example?: unknown;
  readonly schema?: Json;
}
interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly Json[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Record<string, Media> };
  readonly responses: Record<string, Answer>;
}
interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly tags: readonly { readonly name: string }[];
  readonly components: { readonly schemas: Record<string, Json>; readonly responses: Record<string, Answer> };
}

let gateway: NestFastifyApplication;
let text: string;
let document: Document;
let judged: ReturnType<typeof judge>;
beforeAll(async () => {
  gateway = await bootGateway();
  text = (await gateway.inject({ url: '/openapi.json' })).body;
  document = JSON.parse(text) as Document;
  judged = judge(document);
});
afterAll(closeGateways);

interface Listed {
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
}
const operationsOf = ({ paths }: Document): Listed[] =>
  Object.entries(paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ path, method, operation })));
const operations = (): Listed[] => operationsOf(document);

const resolved = (answer: Answer, { components }: Document): Answer =>
  answer.$ref === undefined ? answer : (components.responses[answer.$ref.split('/').at(-1) ?? ''] ?? {});

/** Says whether a schema of the document accepts a value: strict, so that a schema with a slip is an error. */
const judge = ({ components }: Document): ((schema: Json, value: unknown) => string | undefined) => {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: false, allErrors: true });
  ajv.addFormat('uuid', /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
  ajv.addFormat('uri-reference', true);
  const named = (schema: Json): AnySchemaObject =>
    JSON.parse(JSON.stringify(schema).replaceAll('"#/components/schemas/', '"')) as AnySchemaObject;
  for (const [name, schema] of Object.entries(components.schemas)) ajv.addSchema(named(schema), name);
  const compiled = new Map<Json, ReturnType<typeof ajv.compile>>();
  return (schema, value) => {
    const accepts = compiled.get(schema) ?? ajv.compile(named(schema));
    compiled.set(schema, accepts);
    return accepts(value) === true ? undefined : ajv.errorsText(accepts.errors);
  };
};

const valuesOf = ({ example, examples = {} }: Media): unknown[] => [
  ...(example === undefined ? [] : [example]),
  ...Object.values(examples).map(({ value }) => value),
];

/** Requests and answers without an example, and examples that their schema refuses. */
const poorExamples = (of: Document): string[] => {
  const why = judge(of);
  const bad = (place: string, media: Media): string[] => {
    const values = valuesOf(media);
    return values.length === 0 ? [place] : values.flatMap((value) => why(media.schema, value) ?? []).map((reason) => `${place}: ${reason}`);
  };
  return operationsOf(of).flatMap(({ operation: { operationId = '', requestBody, responses, parameters = [] } }) => [
    ...Object.values(requestBody?.content ?? {}).flatMap((media) => bad(`${operationId} request`, media)),
    ...Object.entries(responses).flatMap(([status, answer]) =>
      Object.values(resolved(answer, of).content ?? {}).flatMap((media) => bad(`${operationId} ${status}`, media)),
    ),
    ...parameters.flatMap(({ name, required, example, schema = {} }) =>
      required === true ? bad(`${operationId} ${name}`, { schema, example }) : [],
    ),
  ]);
};

/** Only a GET fits the one and only a POST the other, so no request fits both. */
const AMBIGUOUS = ['/v1/friendship_status/{userId}/history', '/v1/friendship_status/calculate-score/{conversationId}'];

it('the OpenAPI document passes a strict linter, but for the two paths of the contract that differ by their methods', async () => {
  const config = await createConfig({ extends: ['recommended-strict'] });
  const found = await lintFromString({ source: text, absoluteRef: 'openapi.json', config });
  expect(found.map(({ ruleId, message }) => `${ruleId}: ${message}`)).toEqual([
    `no-ambiguous-paths: Paths should resolve unambiguously. Found two ambiguous paths: ${AMBIGUOUS.map((path) => `\`${path}\``).join(' and ')}.`,
  ]);
  expect(AMBIGUOUS.map((path) => Object.keys(document.paths[path] ?? {}))).toEqual([['get'], ['post']]);
}, 30_000);

describe('each operation of the OpenAPI document', () => {
  it('has a name as a client would call it, once, a summary, and a tag that is described', () => {
    const names = operations().map(({ operation }) => operation.operationId ?? '');
    expect(names.filter((name) => !/^[a-z]+([A-Z][a-z]+)+$/.test(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
    expect(operations().filter(({ operation }) => (operation.summary ?? '') === '')).toEqual([]);
    const described = new Set(document.tags.map(({ name }) => name));
    expect(operations().flatMap(({ operation }) => (operation.tags ?? ['none']).filter((tag) => !described.has(tag)))).toEqual([]);
  });

  it('says who may call it: any user, administrators, or all without a token', () => {
    const unexpected = operations().filter(({ path, operation: { security = 'any user' } }) => {
      const isAdmin = /^\/v1\/(admin|users)\//.test(path);
      const expected = isAdmin ? [{ token: ['admin'] }] : /^\/v1\/(?!health)/.test(path) ? 'any user' : [];
      return JSON.stringify(security) !== JSON.stringify(expected);
    });
    expect(unexpected).toEqual([]);
  });

  it('names the headers of its answers', () => {
    const silent = operations().flatMap(({ operation: { operationId = '', responses } }) =>
      Object.entries(responses)
        .filter(([, answer]) => resolved(answer, document).headers?.['X-Request-Id'] === undefined)
        .map(([status]) => `${operationId} ${status}`),
    );
    expect(silent).toEqual([]);
    const made = ['createConversation', 'sendMessage', 'uploadDocument'].map((name) => {
      const { operation } = operations().find((each) => each.operation.operationId === name) ?? {};
      return Object.keys(operation?.responses['202']?.headers ?? operation?.responses['201']?.headers ?? {});
    });
    for (const names of made) expect(names).toEqual(expect.arrayContaining(['Location', 'Idempotency-Replayed', 'RateLimit']));
  });

  it('has for each request, answer and problem an example that its schema accepts', () => {
    expect(poorExamples(document)).toEqual([]);
  });

  it.each<[string, (broken: Document) => unknown]>([
    [
      'an answer without an example',
      ({ paths }) => Reflect.deleteProperty(paths['/v1/search']?.['get']?.responses['200']?.content?.['application/json'] ?? {}, 'example'),
    ],
    [
      'a request with a field too many',
      ({ paths }) =>
        Object.assign(paths['/v1/conversations']?.['post']?.requestBody?.content['application/json']?.example ?? {}, { members: 3 }),
    ],
    [
      'a problem with the code of another',
      ({ components }) =>
        Object.assign(
          components.responses['NotFoundProblem']?.content?.['application/problem+json']?.examples?.['not-found']?.value ?? {},
          { code: 'internal' },
        ),
    ],
  ])('would be found with %s', (_, breaks) => {
    const broken = JSON.parse(text) as Document;
    breaks(broken);
    expect(poorExamples(broken)).not.toEqual([]);
  });
});

it('the OpenAPI document describes each field of what a client sends and reads', () => {
  const undescribed = [
    'NewMessage',
    'EditedMessage',
    'Message',
    'NewConversation',
    'Receipt',
    'ContextRequest',
    'ValidationProblem',
  ].flatMap((name) =>
    Object.entries((document.components.schemas[name]?.['properties'] ?? {}) as Record<string, Json>)
      .filter(([, property]) => property['description'] === undefined && property['$ref'] === undefined)
      .map(([property]) => `${name}.${property}`),
  );
  expect(undescribed).toEqual(['Message.id', 'Message.conversationId', 'ValidationProblem.status', 'ValidationProblem.code']);
});

it('the OpenAPI document bounds every text and list of a request', () => {
  const why = (place: string, schema: Json, open: readonly string[] = []): string[] => {
    const {
      $ref,
      type,
      properties = {},
      items,
      anyOf = [],
    } = schema as Json & { properties?: Record<string, Json>; items?: Json; anyOf?: Json[] };
    if (typeof $ref === 'string') {
      const name = $ref.split('/').at(-1) ?? '';
      return open.includes(name) || name === 'JsonValue' ? [] : why(name, document.components.schemas[name] ?? {}, [...open, name]);
    }
    const isBounded = ['maxLength', 'pattern', 'format', 'enum', 'const'].some((word) => word in schema);
    return [
      ...(type === 'string' && !isBounded ? [place] : []),
      ...(type === 'array' && schema['maxItems'] === undefined ? [place] : []),
      ...Object.entries(properties).flatMap(([name, inner]) => why(`${place}.${name}`, inner, open)),
      ...(items === undefined ? [] : why(`${place}[]`, items, open)),
      ...anyOf.flatMap((each) => why(place, each, open)),
    ];
  };
  const unbounded = operations().flatMap(({ operation: { operationId = '', requestBody, parameters = [] } }) => [
    ...Object.values(requestBody?.content ?? {}).flatMap(({ schema }) => why(operationId, schema)),
    ...parameters.flatMap(({ name = '', schema }) => (schema === undefined ? [] : why(`${operationId} ${name}`, schema))),
  ]);
  expect(unbounded).toEqual([]);
});

describe('the example that Swagger UI puts into a request', () => {
  it('is a message that may be sent as it is, and sent twice', () => {
    const example =
      document.paths['/v1/conversations/{conversationId}/messages']?.['post']?.requestBody?.content['application/json']?.example;
    expect(NewMessage.safeParse(example).success).toBe(true);
    expect(example).not.toHaveProperty('clientMessageId');
  });

  it('is no pattern that a tool makes garbage of', () => {
    expect(text).not.toMatch(/"format":"(?:date-time|uuid)","pattern"|"pattern":"[^"]{100,}/);
  });

  it('leaves out what may be left out of a query', () => {
    const prefilled = operations().flatMap(({ operation: { parameters = [] } }) =>
      parameters.filter(
        ({ required, example, schema }) => required !== true && (example !== undefined || schema?.['example'] !== undefined),
      ),
    );
    expect(prefilled).toEqual([]);
  });
});

describe('what the gateway answers is what the document says', () => {
  /** Puts an id that is not there into each place of a path. */
  const pathOf = (path: string): string =>
    path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'userId' ? 'zoe' : '0199a2f0-0000-7000-8000-00000000ffff'));

  let olga: string;

  /** Asks once, and says what is not as described. */
  const ask = async (
    { path, method, operation }: Listed,
    request: { headers?: Record<string, string>; payload?: string; query?: Record<string, string> },
  ) => {
    // A stream does not end by itself; its head says the same without it.
    const streams = operation.responses['200']?.content?.['text/event-stream'] !== undefined;
    const verb = streams && request.headers?.['authorization'] === olga ? 'HEAD' : method.toUpperCase();
    const answer = await gateway
      .getHttpAdapter()
      .getInstance()
      .inject({ method: verb as 'GET', url: pathOf(path), ...request });
    const place = `${operation.operationId} ${answer.statusCode}`;
    const described = operation.responses[String(answer.statusCode)];
    if (described === undefined) return { status: answer.statusCode, wrong: `${place} is not described: ${answer.body.slice(0, 200)}` };
    const type = answer.headers['content-type']?.split(';', 1)[0] ?? '';
    const media = resolved(described, document).content?.[type];
    if (media === undefined)
      return { status: answer.statusCode, wrong: answer.body === '' ? undefined : `${place} has another type: ${type}` };
    const reason = judged(media.schema, type.endsWith('json') ? answer.json() : answer.body);
    return { status: answer.statusCode, wrong: reason === undefined ? undefined : `${place}: ${reason}` };
  };

  it('for every route: without a token, with another scope, with nothing, with garbage, with the wrong type, and with its own example', async () => {
    const alice = `Bearer ${await mintToken(SECRET, { user: 'alice', scopes: [] })}`;
    olga = `Bearer ${await mintToken(SECRET, { user: 'olga', scopes: ['admin', 'service'] })}`;
    const seen = new Map<number, number>();
    const wrong: string[] = [];
    for (const listed of operations()) {
      const body = listed.operation.requestBody?.content['application/json']?.example;
      const json = { 'content-type': 'application/json' };
      const query = Object.fromEntries(
        (listed.operation.parameters ?? []).flatMap((each) =>
          each.in === 'query' && each.required === true ? [[each.name, String(each.example)]] : [],
        ),
      ) as Record<string, string>;
      const payload = body === undefined ? {} : { payload: JSON.stringify(body), headers: json };
      const tries = [
        { ...payload, query },
        { ...payload, query, headers: { ...payload.headers, authorization: alice } },
        { ...payload, query, headers: { ...payload.headers, authorization: olga } },
        { query: { ...query, limit: 'many' }, headers: { authorization: olga } },
        ...(body === undefined
          ? []
          : [
              { payload: '{"content":7}', query, headers: { ...json, authorization: olga } },
              { payload: 'text', query, headers: { 'content-type': 'text/plain', authorization: olga } },
              { payload: `{"content":"${'x'.repeat(200_000)}"}`, query, headers: { ...json, authorization: olga } },
            ]),
      ];
      for (const request of tries) {
        const { status, wrong: found } = await ask(listed, request);
        seen.set(status, (seen.get(status) ?? 0) + 1);
        if (found !== undefined) wrong.push(found);
      }
    }
    expect(wrong).toEqual([]);
    // It asked for something: most statuses came.
    expect([...seen.keys()]).toEqual(expect.arrayContaining([200, 201, 400, 401, 403, 404, 413, 415]));
  }, 60_000);
});
