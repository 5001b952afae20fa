import { createConfig, lintFromString } from '@redocly/openapi-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NewMessage } from '#lib/contracts/http';
import { bootGateway, closeGateways } from '../../../memory-gateway.contract.js';

type Json = Record<string, unknown>;
interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly responses: Record<string, unknown>;
}

let text: string;
let document: { paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, Json> } };
beforeAll(async () => {
  const app = await bootGateway();
  text = (await app.inject({ url: '/openapi.json' })).body;
  document = JSON.parse(text) as typeof document;
});
afterAll(closeGateways);

const operations = () =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );

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

it('the OpenAPI document names each operation as a client would call it, once', () => {
  const names = operations().map(({ operation }) => operation.operationId ?? '');
  expect(names.filter((name) => !/^[a-z]+([A-Z][a-z]+)+$/.test(name))).toEqual([]);
  expect(new Set(names).size).toBe(names.length);
});

it('the OpenAPI document describes each operation, and each field of what a client sends and reads', () => {
  expect(operations().filter(({ operation }) => (operation.summary ?? '') === '')).toEqual([]);
  const undescribed = ['NewMessage', 'EditedMessage', 'Message', 'NewConversation', 'Receipt', 'ContextRequest', 'Problem'].flatMap(
    (name) =>
      Object.entries((document.components.schemas[name]?.['properties'] ?? {}) as Record<string, Json>)
        .filter(([, property]) => property['description'] === undefined && property['$ref'] === undefined)
        .map(([property]) => `${name}.${property}`),
  );
  expect(undescribed).toEqual(['Message.id', 'Message.conversationId']);
});

describe('the example that Swagger UI puts into a request', () => {
  it('is a message that may be sent as it is, and sent twice', () => {
    const example = document.components.schemas['NewMessage']?.['example'] as Json;
    expect(NewMessage.safeParse(example).success).toBe(true);
    expect(example).not.toHaveProperty('clientMessageId');
  });

  it('is no pattern that a tool makes garbage of', () => {
    expect(text).not.toMatch(/"format":"(?:date-time|uuid)","pattern"|"pattern":"[^"]{100,}/);
  });
});

it('the OpenAPI document says for each route of the API which problems it may answer with', () => {
  const poor = operations().filter(
    ({ path, operation }) =>
      path.startsWith('/v1/') && path !== '/v1/health' && !['400', '401', '429', '503'].every((status) => status in operation.responses),
  );
  expect(poor).toEqual([]);
});
