import type { OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';
import { isOperations } from '../edge/operations-routes.js';
import { type Json, JsonSchemas, refTo } from './json-schemas.js';
import { parameterExamples, schemaExamples } from './openapi-examples.js';
import { answerHeaders, headerParameters, headerSchemas, headers } from './openapi-headers.js';
import { operationsRoutes, operationsSchemas } from './openapi-operations.js';
import { problemResponse, problemResponses, problemStatusesOf } from './openapi-problems.js';

interface Content {
  readonly 'application/json'?: { schema?: Json; example?: unknown };
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema?: Json;
}
interface Operation {
  operationId?: string;
  summary?: string;
  tags?: string[];
  security?: object[];
  parameters?: (Parameter | Json)[];
  requestBody?: { content: Content };
  responses: Record<string, Json & { content?: Content }>;
}

// An identifier is new in 3.1, and Nest's types do not know it.
const LICENSE: { name: string; identifier: string } = { name: 'Proprietary', identifier: 'LicenseRef-Proprietary' };

/** Beginnings of the routes whose token needs the scope `admin`, as in authentication.ts. */
const FOR_ADMINS = ['/v1/admin/', '/v1/users/'];

/**
 * Completes the document that Nest prints: schemas as zod has them (Nest takes those of OpenAPI 3.0, which loses keys of records and forbids new
 * fields in answers), problems, headers, examples and scopes of each operation.
 */
export const completeDocument = (printed: OpenAPIObject): OpenAPIObject => {
  const document = inWordsOf31(renamed(printed)) as OpenAPIObject & Json;
  const schemas = new JsonSchemas('draft-2020-12');
  for (const name of Object.keys(document.components?.schemas ?? {})) {
    const schema = schemaNamed(name);
    if (schema !== undefined) schemas.add(name, schema);
  }
  for (const [path, item] of Object.entries(document.paths)) {
    for (const operation of Object.values(item) as Operation[]) complete(path, operation);
  }
  // As it is, it refers to itself, which generators for Python and others do not take: they would leave out sends.
  schemas.components['JsonValue'] = { title: 'JsonValue', description: 'Any JSON value' };
  const responses = problemResponses(schemas);
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, ...schemas.components, ...operationsSchemas },
    responses,
    headers,
    parameters: headerParameters,
  } as unknown as NonNullable<OpenAPIObject['components']>;
  document.info = { ...document.info, license: LICENSE };
  return document;
};

/** The zod schema with this id in its `meta`. */
const schemaNamed = (id: string): z.ZodType | undefined => z.globalRegistry._idmap.get(id) as z.ZodType | undefined;

const complete = (path: string, operation: Operation): void => {
  const isOpen = isOperations(path);
  const isForAdmins = FOR_ADMINS.some((beginning) => path.startsWith(beginning));
  const route = operationsRoutes[path];
  if (route !== undefined) {
    const { operationId, summary, answers } = route;
    Object.assign(operation, { operationId, summary, tags: ['operations'], responses: answers });
  }
  if (isOpen) operation.security = [];
  else if (isForAdmins) operation.security = [{ token: ['admin'] }];

  const { operationId = '', requestBody } = operation;
  const takesKey = operation.parameters?.some((parameter) => 'name' in parameter && parameter.name === 'Idempotency-Key') === true;
  const statuses = problemStatusesOf({ path, operationId, hasBody: requestBody !== undefined, takesKey, isForAdmins });
  const problems = Object.fromEntries(statuses.map((status) => [status, problemResponse(status)]));
  const { default: _, ...own } = operation.responses;
  const answers = Object.entries(own).map(([status, answer]) => [status, completeAnswer(operationId, isOpen, answer)]);
  operation.responses = { ...problems, ...Object.fromEntries(answers) } as Operation['responses'];
  if (requestBody !== undefined) withExample(requestBody.content);
  operation.parameters = [
    ...(operation.parameters ?? []).map((parameter) => completeParameter(parameter as Parameter & Json)),
    ...(isOpen ? [] : [{ ...refTo('components', 'parameters', 'X-Request-Id') }]),
  ];
};

const completeAnswer = (operationId: string, isOpen: boolean, answer: Json & { content?: Content }): Json => {
  if (answer.content !== undefined) withExample(answer.content);
  const schema = answer.content?.['application/json']?.schema?.['$ref'];
  const name = typeof schema === 'string' ? schema.split('/').at(-1) : undefined;
  const description = answer['description'] === '' ? (name ?? 'Done') : answer['description'];
  return { ...answer, description, headers: answerHeaders(operationId, isOpen) };
};

/** Gives a body the example of its schema. */
const withExample = (content: Content): void => {
  const media = content['application/json'];
  const ref = media?.schema?.['$ref'];
  if (media === undefined || typeof ref !== 'string') return;
  const name = ref.split('/').at(-1) ?? '';
  const [ofMeta] = (schemaNamed(name)?.meta()?.['examples'] as unknown[] | undefined) ?? [];
  const example = ofMeta ?? schemaExamples[name];
  if (example !== undefined) media.example ??= example;
};

/** Only what has to be there has an example: Swagger UI would send those of optional filters. */
const completeParameter = (parameter: Parameter & Json): Json => {
  const { example: _, ...schema } = { ...parameter.schema, ...headerSchemas[parameter.name] };
  const example = parameter.required === true ? parameterExamples[parameter.name] : undefined;
  return { ...parameter, schema, ...(example === undefined ? {} : { example }) };
};

/** A copy with every schema in JSON Schema 2020-12: what is left are those of parameters, and the few without a name. */
const inWordsOf31 = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(inWordsOf31);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, inWordsOf31(inner)]));
  return asSchemaOf31(copy);
};

const asSchemaOf31 = (schema: Json): Json => {
  const { minimum, maximum, exclusiveMinimum, pattern, format, ...rest } = schema;
  const isUnbounded = (bound: unknown) => typeof bound === 'number' && Math.abs(bound) >= Number.MAX_SAFE_INTEGER;
  return {
    ...rest,
    ...(exclusiveMinimum === true ? { exclusiveMinimum: minimum } : isUnbounded(minimum) ? {} : given({ minimum })),
    ...(isUnbounded(maximum) ? {} : given({ maximum })),
    // A format is enough; tools make unusable examples of its pattern.
    ...given(format === undefined ? { pattern } : { format }),
  };
};

const given = (parts: Json): Json => Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined));

// The name that the schema of any JSON value gets from its first use.
const NAMELESS = /__schema0/g;
const renamed = (document: OpenAPIObject): OpenAPIObject =>
  JSON.parse(JSON.stringify(document).replace(NAMELESS, 'JsonValue')) as OpenAPIObject;
