import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ParleyApi } from '#client/parley-api';
import { bootGateway, closeGateways } from '../../apps/gateway/src/memory-gateway.contract.js';

type Json = Record<string, unknown>;
const jsonOf = (path: string): Json => JSON.parse(readFileSync(path, 'utf8')) as Json;
const manifest = jsonOf('clients/typescript/package.json');

describe('the package of the TypeScript client', () => {
  it('has the version of Parley, no dependency, and its README, changes, types and sources', async () => {
    expect(manifest['version']).toBe(jsonOf('package.json')['version']);
    expect(manifest).not.toHaveProperty('dependencies');
    expect(manifest).toMatchObject({ type: 'module', sideEffects: false, license: 'UNLICENSED', engines: { node: '>=20' } });

    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: 'clients/typescript' });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['package.json', 'README.md', 'CHANGELOG.md', 'src/index.ts']));
    expect(
      paths.filter((path) => path.includes('.spec.') || !/^(dist|src)\/|^(package\.json|README\.md|CHANGELOG\.md)$/.test(path)),
    ).toEqual([]);
  });
});

describe('ParleyApi', () => {
  let operations: { readonly name: string; readonly method: string; readonly path: RegExp }[] = [];
  beforeAll(async () => {
    const gateway = await bootGateway();
    const { paths } = JSON.parse((await gateway.inject({ url: '/openapi.json' })).body) as { paths: Record<string, Record<string, Json>> };
    operations = Object.entries(paths)
      .flatMap(([path, item]) =>
        Object.entries(item).map(([method, operation]) => ({
          name: String(operation['operationId']),
          method: method.toUpperCase(),
          path: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
          isOfOperators: /^\/v1\/(admin|users)\//.test(path) || JSON.stringify(operation['security']) === '[]',
        })),
      )
      .filter(({ isOfOperators }) => !isOfOperators);
  });
  afterAll(closeGateways);

  it('has each operation of the OpenAPI document but those of operators, and sends what that says', async () => {
    const sent: { method: string; path: string }[] = [];
    const api = new ParleyApi({
      url: 'http://parley.test',
      token: 'a token',
      fetch: (input, init) => {
        sent.push({ method: init?.method ?? '', path: input instanceof URL ? input.pathname : '' });
        return Promise.resolve(Response.json({ items: [], headSeq: 0 }));
      },
    }) as unknown as Record<string, ((...values: unknown[]) => Promise<unknown>) | undefined>;

    const wrong: string[] = [];
    for (const { name, method, path } of operations) {
      sent.length = 0;
      // Ids come first, then a body or a query: as many ids as the path has.
      const ids = path.source.split('[^/]+').length - 1;
      const rest = name === 'getPresence' ? [['alice']] : [{ content: 'x' }];
      await api[name]?.(...Array.from({ length: ids }, () => 'an-id'), ...(name === 'previewScore' ? [] : rest));
      const [call] = sent;
      if (call?.method !== method || !path.test(call.path)) wrong.push(`${name}: ${JSON.stringify(call)}`);
    }
    expect(operations.length).toBeGreaterThan(20);
    expect(wrong).toEqual([]);
  });
});
