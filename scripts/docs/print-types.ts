interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly description?: string;
}

const ANY_JSON = '#/components/schemas/JsonValue';

const literal = (value: unknown): string => (typeof value === 'string' ? `'${value.replaceAll("'", "\\'")}'` : JSON.stringify(value));

const inParentheses = (type: string): string => (type.includes('|') && !type.endsWith('}') ? `(${type})` : type);

const typeOf = (schema: Schema, indent: string): string => {
  const { $ref, type, enum: values, anyOf, oneOf = anyOf, items, properties, additionalProperties } = schema;
  if ($ref !== undefined) return $ref.split('/').at(-1) ?? 'unknown';
  if (schema.const !== undefined) return literal(schema.const);
  if (values !== undefined) return values.map(literal).join(' | ');
  if (oneOf !== undefined) return [...new Set(oneOf.map((each) => typeOf(each, indent)))].join(' | ');
  if (Array.isArray(type)) return type.map((each: string) => typeOf({ ...schema, type: each }, indent)).join(' | ');
  // What clients take from `JSON.parse` is not readonly.
  if (type === 'array') return `${items?.$ref === ANY_JSON ? '' : 'readonly '}${inParentheses(typeOf(items ?? {}, indent))}[]`;
  if (properties !== undefined) return `{\n${fieldsOf(schema, `${indent}  `)}${indent}}`;
  if (typeof additionalProperties === 'object') {
    return `{ ${additionalProperties.$ref === ANY_JSON ? '' : 'readonly '}[key: string]: ${typeOf(additionalProperties, indent)} }`;
  }
  if (type === 'integer') return 'number';
  if (type === undefined || type === 'object') return 'unknown';
  return String(type);
};

/** A field that may be left out may also be `undefined`. */
const fieldsOf = ({ properties = {}, required = [] }: Schema, indent: string): string =>
  Object.entries(properties)
    .map(([name, field]) => {
      const says = field.description === undefined ? '' : `${indent}/** ${field.description} */\n`;
      const isThere = required.includes(name);
      return `${says}${indent}readonly ${name}${isThere ? '' : '?'}: ${typeOf(field, indent)}${isThere ? '' : ' | undefined'};\n`;
    })
    .join('');

/** JSON Schemas by name as types of TypeScript: an interface of each object, an alias of anything else. */
export const printTypes = (schemas: Readonly<Record<string, object>>): string =>
  Object.entries(schemas as Readonly<Record<string, Schema>>)
    .map(([name, schema]) => {
      const says = schema.description === undefined ? '' : `/** ${schema.description} */\n`;
      const body =
        schema.properties === undefined
          ? `export type ${name} = ${typeOf(schema, '')};`
          : `export interface ${name} {\n${fieldsOf(schema, '  ')}}`;
      return `${says}${body}\n`;
    })
    .join('\n');
