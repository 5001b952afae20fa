import type { DependencyName } from '#lib/contracts/dependencies';
import { isTracing, type Span, type SpanAttributes, startSpan } from '#lib/runtime/trace/span';
import { DeadlineExceeded, DependencyError } from './errors.js';

/** What the semantic conventions call the system behind a dependency, and under which attribute its operation stands. */
const database = (system: string) => ({ about: { 'db.system.name': system }, operation: 'db.operation.name' });
const service = (name: string) => ({ about: { 'app.dependency': name }, operation: 'app.operation' });
const SYSTEMS: Readonly<Partial<Record<DependencyName, { readonly about: SpanAttributes; readonly operation: string }>>> = {
  postgres: database('postgresql'),
  redis: database('redis'),
  chroma: database('chroma'),
  rabbitmq: {
    about: { 'messaging.system': 'rabbitmq', 'messaging.operation.type': 'send', 'messaging.operation.name': 'send' },
    operation: 'messaging.destination.name',
  },
};

/**
 * The span of one call with all its tries; undefined outside of a trace. @param what the operation more precisely than its class: the name of a
 * statement, never its text or its values.
 */
export const startCallSpan = (dependency: DependencyName, operation: string, what: string | undefined): Span | undefined => {
  if (!isTracing()) return undefined;
  const span = startSpan(`${dependency} ${what ?? operation}`, 'client');
  if (span === undefined) return undefined;
  const { about, operation: name } = SYSTEMS[dependency] ?? service(dependency);
  return span
    .setAll(about)
    .set(name, what ?? operation)
    .set('app.lane', what === undefined ? undefined : operation);
};

/** Marks the span failed when the dependency failed. An answer that says no to the request itself is an answer. */
export const failCallSpan = (span: Span | undefined, error: unknown): void => {
  if (error instanceof DependencyError || error instanceof DeadlineExceeded) span?.fail(error);
};
