import type { OpenAPIObject } from '@nestjs/swagger';
import { problems } from '#lib/contracts/problems';
import { isOperations } from '../edge/operations-routes.js';
import { PROBLEM_TYPE } from '../problems/problems.js';

type PathItem = OpenAPIObject['paths'][string];
type Operation = NonNullable<PathItem['get']>;
type Responses = NonNullable<NonNullable<OpenAPIObject['components']>['responses']>;
type Json = { [key: string]: unknown };

// An identifier is new in 3.1, and Nest's types do not know it.
const LICENSE: { name: string; identifier: string } = { name: 'Proprietary', identifier: 'LicenseRef-Proprietary' };

/** Operation ids and summaries of the routes that every process has: their controller in libs/runtime does not know OpenAPI. */
const ofEveryProcess: Readonly<Record<string, Pick<Operation, 'operationId' | 'summary' | 'tags'>>> = {
  '/livez': { operationId: 'getLiveness', summary: 'Whether this process runs', tags: ['operations'] },
  '/readyz': { operationId: 'getReadiness', summary: 'Whether to send work to this process', tags: ['operations'] },
  '/metrics': { operationId: 'getMetrics', summary: 'Metrics, as Prometheus reads them', tags: ['operations'] },
};

/**
 * Completes the document that Nest prints: adds the problems of each operation, takes the token off operations routes, and rewrites schemas to
 * OpenAPI 3.1 (Nest writes some as in 3.0).
 */
export const completeDocument = (document: OpenAPIObject): OpenAPIObject => {
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item) as [string, Operation][]) {
      Object.assign(operation, ofEveryProcess[path]);
      if (isOperations(path)) operation.security = [];
      operation.responses = { ...operation.responses, ...problemsOf(path, method, operation), default: { $ref: responseRef('default') } };
    }
  }
  document.components = { ...document.components, responses: problemResponses() };
  document.info = { ...document.info, license: LICENSE };
  return renamed(inWordsOf31(document) as OpenAPIObject);
};

/** The statuses of the problems that an operation may answer with, by what it takes: a token, a body, ids, a precondition, a key. */
const problemStatusesOf = (path: string, method: string, { requestBody, parameters = [] }: Operation): number[] => {
  if (isOperations(path)) return [400];
  const takes = (name: string) => parameters.some((parameter) => 'name' in parameter && parameter.name === name);
  const isForOthers = path === '/v1/conversations/end';
  const namesSomething = path.includes('{') || path === '/v1/activities/suggest' || takes('conversationId');
  const isForSome =
    isForOthers || path.startsWith('/v1/admin/') || takes('If-Match') || (method === 'delete' && path.includes('/members/'));
  return [
    400,
    401,
    ...(isForSome ? [403] : []),
    ...(isForOthers || namesSomething ? [404] : []),
    ...(takes('If-Match') ? [412] : []),
    ...(requestBody === undefined ? [] : [413, 415]),
    ...(takes('Idempotency-Key') ? [422] : []),
    429,
    503,
  ];
};

const responseRef = (status: number | 'default'): string => `#/components/responses/Problem-${status}`;

const problemsOf = (path: string, method: string, operation: Operation): Operation['responses'] =>
  Object.fromEntries(problemStatusesOf(path, method, operation).map((status) => [status, { $ref: responseRef(status) }]));

/** The problems of each status; `validation` also has 415, for another media type. */
const meanings = (): Map<number, string[]> => {
  const byStatus = new Map<number, string[]>([[415, ['`validation`: The body is of another media type than application/json']]]);
  for (const [code, { status, title }] of Object.entries(problems)) {
    byStatus.set(status, [...(byStatus.get(status) ?? []), `\`${code}\`: ${title}`]);
  }
  return byStatus;
};

const RETRY_AFTER = { description: 'Seconds after which it is worth trying again', schema: { type: 'integer' as const, minimum: 1 } };

const problemResponses = (): Responses => {
  const content = { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } };
  const asked = [...meanings()].filter(([status]) => status !== 500);
  const responses = asked.map(([status, said]) => {
    const headers = status === 429 || status === 503 ? { 'Retry-After': RETRY_AFTER } : {};
    return [`Problem-${status}`, { description: said.join('; '), headers, content }] as const;
  });
  return Object.fromEntries([...responses, ['Problem-default', { description: 'Any other problem (RFC 9457)', content }]]);
};

/** A copy with every schema in JSON Schema 2020-12. */
const inWordsOf31 = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(inWordsOf31);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, inWordsOf31(inner)]));
  return asSchemaOf31(copy);
};

const asSchemaOf31 = (schema: Json): Json => {
  const { minimum, maximum, exclusiveMinimum, pattern, format, required, properties, additionalProperties, ...rest } = schema;
  if (Array.isArray(rest['enum']) && rest['enum'].length === 1 && rest['enum'][0] === null) return { type: 'null' };
  const isUnbounded = (bound: unknown) => typeof bound === 'number' && Math.abs(bound) >= Number.MAX_SAFE_INTEGER;
  return {
    ...rest,
    ...(exclusiveMinimum === true ? { exclusiveMinimum: minimum } : isUnbounded(minimum) ? {} : given({ minimum })),
    ...(isUnbounded(maximum) ? {} : given({ maximum })),
    // A format is enough; tools make unusable examples of its pattern.
    ...given(format === undefined ? { pattern } : { format }),
    ...given({ required }),
    ...withNamedProperties({ required, properties, additionalProperties }),
  };
};

const given = (parts: Json): Json => Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined));

/** A record with known keys is an object with properties; Nest only lists them as required. */
const withNamedProperties = ({ required, properties, additionalProperties }: Json): Json => {
  const isRecord = Array.isArray(required) && properties === undefined && typeof additionalProperties === 'object';
  if (!isRecord) return given({ properties, additionalProperties });
  return {
    properties: Object.fromEntries((required as string[]).map((name) => [name, additionalProperties])),
    additionalProperties: false,
  };
};

// The name that the schema of any JSON value gets from its first use.
const NAMELESS = /__schema0/g;
const renamed = (document: OpenAPIObject): OpenAPIObject =>
  JSON.parse(JSON.stringify(document).replace(NAMELESS, 'JsonValue')) as OpenAPIObject;
