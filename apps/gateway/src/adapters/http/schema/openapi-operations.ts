import { dependencies } from '#lib/contracts/dependencies';
import type { Json } from './json-schemas.js';

interface OperationsRoute {
  readonly operationId: string;
  readonly summary: string;
  /** What it answers, by status. */
  readonly answers: Readonly<Record<number, Json>>;
}

const since = '2026-01-31T09:30:00.000Z';
const inJson = (description: string, schema: string, value: unknown): Json => ({
  description,
  content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` }, example: value } },
});
const check = { status: 'ok', latencyMs: 1.2, breaker: 'closed', since };

/** The routes that every process has, and those of JSON that no zod schema describes: their controllers do not know OpenAPI. */
export const operationsRoutes: Readonly<Record<string, OperationsRoute>> = {
  '/livez': {
    operationId: 'getLiveness',
    summary: 'Whether this process runs',
    answers: { 200: inJson('It runs', 'Liveness', { status: 'alive' }) },
  },
  '/readyz': {
    operationId: 'getReadiness',
    summary: 'Whether to send work to this process',
    answers: {
      200: inJson('Send work', 'Readiness', { status: 'ready', reasons: [] }),
      503: inJson('Send no work, for these reasons', 'Readiness', { status: 'not-ready', reasons: ['shutting down'] }),
    },
  },
  '/metrics': {
    operationId: 'getMetrics',
    summary: 'Metrics, as Prometheus reads them',
    answers: {
      200: {
        description: 'The text format of Prometheus',
        content: { 'text/plain': { schema: { type: 'string' }, example: 'process_cpu_seconds_total 1.5' } },
      },
    },
  },
  '/v1/health': {
    operationId: 'getHealth',
    summary: 'How this process and everything behind it are',
    answers: {
      200: inJson('ok or degraded', 'Health', { status: 'ok', checks: Object.fromEntries(dependencies.map((name) => [name, check])) }),
      503: inJson('Postgres is down', 'Health', {
        status: 'down',
        checks: Object.fromEntries(
          dependencies.map((name) => [name, name === 'postgres' ? { ...check, status: 'down', detail: 'ECONNREFUSED' } : check]),
        ),
      }),
    },
  },
  '/asyncapi.json': {
    operationId: 'getAsyncApi',
    summary: 'Events and the socket protocol, as an AsyncAPI document',
    answers: {
      200: {
        description: 'AsyncAPI 3.0',
        content: { 'application/json': { schema: { type: 'object', additionalProperties: true }, example: { asyncapi: '3.0.0' } } },
      },
    },
  },
};

const closed = { type: 'string', enum: ['closed', 'half-open', 'open'] };

/** Their schemas. */
export const operationsSchemas: Readonly<Record<string, Json>> = {
  Liveness: { type: 'object', properties: { status: { type: 'string', enum: ['alive'] } }, required: ['status'] },
  Readiness: {
    type: 'object',
    properties: {
      status: { type: 'string', enum: ['ready', 'not-ready'] },
      reasons: { type: 'array', items: { type: 'string' }, description: 'What it waits for; [] = nothing' },
    },
    required: ['status', 'reasons'],
  },
  HealthCheck: {
    type: 'object',
    properties: {
      status: {
        type: 'string',
        enum: ['ok', 'degraded', 'down', 'not_configured'],
        description: 'not_configured: this deployment does without it',
      },
      latencyMs: { type: 'number', description: 'How long the check took, or was waited for' },
      breaker: { ...closed, description: 'State of the circuit breaker to it' },
      since: { type: 'string', format: 'date-time', description: 'Since when the status is what it is' },
      detail: { type: 'string', description: 'Why it is not ok' },
    },
    required: ['status', 'latencyMs', 'breaker', 'since'],
  },
  Health: {
    type: 'object',
    properties: {
      status: { type: 'string', enum: ['ok', 'degraded', 'down'] },
      checks: {
        type: 'object',
        properties: Object.fromEntries(dependencies.map((name) => [name, { $ref: '#/components/schemas/HealthCheck' }])),
        required: [...dependencies],
      },
    },
    required: ['status', 'checks'],
  },
};
