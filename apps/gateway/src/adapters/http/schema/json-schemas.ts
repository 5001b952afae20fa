import { z } from 'zod';

/** An object of the document. */
export type Json = { readonly [key: string]: unknown };

/** A reference to another part of the document. */
export interface Ref {
  readonly $ref: string;
}

/** `#/channels/a` and the like; `/` and `~` in a name are escaped as in any JSON pointer. */
export const refTo = (...path: readonly string[]): Ref => ({
  $ref: `#/${path.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`,
});

// The name that zod gives to the schema of any JSON value, which refers to itself.
const NAMELESS = '__schema0';

/** The schemas of a document, each once: what a schema refers to becomes a component as well. */
export class JsonSchemas {
  readonly components: Record<string, Json> = {};

  /** @param target the JSON Schema that the document is written in: draft 07 for AsyncAPI 3.0, 2020-12 for OpenAPI 3.1. */
  constructor(private readonly target: 'draft-7' | 'draft-2020-12') {}

  /** @param as its name in the document, letters and digits: generators make a type of it. */
  add(as: string, schema: z.ZodType): Ref {
    // As it is sent, also of answers: a reader of those has to accept fields that it does not know yet.
    const printed = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', target: this.target });
    const { $schema: _, definitions = {}, $defs = definitions, ...own } = printed as Json & { definitions?: Json; $defs?: Json };
    for (const [name, definition] of Object.entries($defs)) {
      this.components[name === NAMELESS ? 'JsonValue' : name] ??= plain(definition) as Json;
    }
    this.components[as] ??= { title: as, ...(plain(own) as Json) };
    return refTo('components', 'schemas', as);
  }
}

/** A copy without zod's ids, bounds that every number of JSON has, and patterns of formats, of which tools make garbage. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const isIdle = ([key, inner]: readonly [string, unknown]): boolean =>
    // A field may be called `id` or `pattern`: that is an object, what zod says is text.
    typeof inner === 'object' ? false : key === 'id' || (key === 'pattern' && 'format' in value) || isUnbounded(key, inner);
  const kept = Object.entries(withNamedProperties(value as Json)).filter((entry) => !isIdle(entry));
  return Object.fromEntries(kept.map(([key, inner]) => [key, key === '$ref' ? inComponents(String(inner)) : plain(inner)]));
};

const inComponents = (ref: string): string =>
  ref.replace(/^#\/(?:definitions|\$defs)\//, '#/components/schemas/').replace(NAMELESS, 'JsonValue');

const isUnbounded = (key: string, bound: unknown): boolean =>
  (key === 'maximum' || key === 'minimum') && typeof bound === 'number' && Math.abs(bound) >= Number.MAX_SAFE_INTEGER;

/** A record whose keys are a closed list is an object with these properties: of key names generators make nothing. */
const withNamedProperties = (schema: Json): Json => {
  const { propertyNames, additionalProperties, ...rest } = schema;
  const names = typeof propertyNames === 'object' && propertyNames !== null ? (propertyNames as Json)['enum'] : undefined;
  if (!Array.isArray(names)) return propertyNames === undefined ? schema : { ...rest, additionalProperties };
  return { ...rest, properties: Object.fromEntries(names.map((name) => [String(name), additionalProperties])) };
};
