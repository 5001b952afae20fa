/** A JSON schema (draft 7) as far as the charts need one. */
export type Schema = Readonly<Record<string, unknown>>;

/** An object with these fields and no others. */
export const object = (description: string, properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema => ({
  description,
  type: 'object',
  additionalProperties: false,
  ...(required.length > 0 && { required }),
  properties,
});

export const text = (description: string, limits: Schema = {}): Schema => ({ description, type: 'string', ...limits });
export const flag = (description: string): Schema => ({ description, type: 'boolean' });
export const whole = (description: string, minimum: number, maximum: number): Schema => ({
  description,
  type: 'integer',
  minimum,
  maximum,
});
export const list = (description: string, items: Schema, limits: Schema = {}): Schema => ({ description, type: 'array', items, ...limits });

/** Something that Kubernetes itself describes; the schema of the manifest checks it. */
export const kubernetes = (description: string): Schema => ({ description, type: 'object' });

/** Labels and annotations. */
export const texts = (description: string): Schema => ({ description, type: 'object', additionalProperties: { type: 'string' } });

/** The name of an object in Kubernetes, or nothing. */
export const name = (description: string): Schema => text(description, { pattern: '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$', maxLength: 253 });
