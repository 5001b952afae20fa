import type { Type } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { GatewayModule } from '../../../gateway.module.js';
import { routeDeadlinesMs } from '#lib/contracts/route-deadlines';

// What Nest keeps about modules.
const listOf = (module: Type, of: 'imports' | 'controllers') => (Reflect.getMetadata(of, module) ?? []) as Type[];
const controllers = listOf(GatewayModule, 'imports').flatMap((module) => listOf(module, 'controllers'));

// What Nest keeps about the parameters of a handler: keys are `<kind>:<index>`.
const ROUTE_ARGUMENTS = '__routeArguments__';
const kinds: Readonly<Record<string, string>> = { '3': 'body', '4': 'query', '5': 'param' };

const parameters = controllers.flatMap((controller) =>
  Object.getOwnPropertyNames(controller.prototype as object).flatMap((method) =>
    Object.entries(
      (Reflect.getMetadata(ROUTE_ARGUMENTS, controller, method) ?? {}) as Record<
        string,
        { schema?: unknown; data?: unknown; pipes?: unknown[] }
      >,
    ).flatMap(([key, { schema, data, pipes }]) => {
      const kind = kinds[key.split(':')[0] ?? ''];
      return kind === undefined ? [] : [{ handler: `${controller.name}.${method}`, kind, schema, data, pipes }];
    }),
  ),
);

describe('every parameter that comes from a request', () => {
  it('is found by this test', () => {
    expect(parameters.length).toBeGreaterThan(10);
    expect(new Set(parameters.map(({ kind }) => kind))).toEqual(new Set(['body', 'query', 'param']));
  });

  // Nest's own decorators let it through unread.
  it.each(parameters)('$handler: the $kind is parsed with a schema, all of it', ({ schema, data, pipes }) => {
    expect(schema).toHaveProperty('~standard');
    expect(pipes).toHaveLength(1);
    expect(data).toBeUndefined();
  });
});

it('every deadline is inside the limits of the process', () => {
  for (const deadlineMs of Object.values(routeDeadlinesMs)) expect(deadlineMs).toBeLessThan(55_000);
});
