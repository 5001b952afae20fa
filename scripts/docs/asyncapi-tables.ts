import { API_VERSION } from '../../apps/gateway/src/adapters/http/schema/openapi.js';
import { renderAsyncApi } from '../../apps/gateway/src/adapters/http/schema/asyncapi/asyncapi.js';

/** A JSON Schema of the document, as far as the pages show it. */
export interface FieldSchema {
  readonly type?: string;
  readonly format?: string;
  readonly const?: string | number;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly FieldSchema[];
  readonly items?: FieldSchema;
  readonly $ref?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly required?: readonly string[];
}

interface DocumentedMessage {
  readonly name: string;
  readonly summary: string;
  readonly payload: { readonly $ref: string };
  readonly examples: readonly { readonly payload: { readonly data?: object } }[];
}

/** The document that `GET /asyncapi.json` answers, as far as the pages show it. */
export const asyncApi = renderAsyncApi(API_VERSION) as {
  readonly components: {
    readonly schemas: Readonly<Record<string, FieldSchema>>;
    readonly messages: Readonly<Record<string, DocumentedMessage>>;
  };
};

/** The schema of what a message carries. */
export const payloadOf = ({ payload }: DocumentedMessage): FieldSchema =>
  asyncApi.components.schemas[payload.$ref.split('/').at(-1) ?? ''] ?? {};

/** A schema in a table cell: `uuid`, `string or null`, `array of string`. */
export const typeOf = (schema: FieldSchema): string => {
  if (schema.$ref !== undefined) return schema.$ref.split('/').at(-1) ?? 'object';
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.join(', ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.type === 'array' && schema.items !== undefined) return `array of ${typeOf(schema.items)}`;
  return schema.format ?? schema.type ?? 'any JSON';
};

/** Rows of a table with every field of an object. */
export const fieldRows = ({ properties = {}, required = [] }: FieldSchema): string =>
  Object.entries(properties)
    .map(([name, field]) => `| \`${name}\` | ${typeOf(field)} | ${required.includes(name) ? 'yes' : 'no'} | ${field.description ?? ''} |`)
    .join('\n');
