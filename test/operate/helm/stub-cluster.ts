import { createServer, type Server } from 'node:http';
import { writeFileSync } from 'node:fs';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** Resources that the stub knows; Helm looks them up before it asks for one. */
const RESOURCES = [
  { name: 'secrets', kind: 'Secret' },
  { name: 'serviceaccounts', kind: 'ServiceAccount' },
];

/** As much of a Kubernetes API as Helm's `lookup` asks: which kinds there are, and these Secrets in every namespace. It stores nothing. */
export class StubCluster implements AsyncDisposable {
  /** Data of each Secret, by name; a test changes it. */
  readonly secrets = new Map<string, Readonly<Record<string, string>>>();
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => {
      const answer = this.answerTo(new URL(request.url ?? '/', 'http://stub').pathname);
      response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404 }));
    });
  }

  /** @param kubeconfig path to write the configuration of a client to. */
  static async at(kubeconfig: string): Promise<StubCluster> {
    const stub = new StubCluster();
    stub.server.listen(0, '127.0.0.1');
    await once(stub.server, 'listening');
    const { port } = stub.server.address() as AddressInfo;
    const named = (kind: string, value: object) => [{ name: 'stub', [kind]: value }];
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'stub',
      clusters: named('cluster', { server: `http://127.0.0.1:${port}` }),
      contexts: named('context', { cluster: 'stub', user: 'stub' }),
      users: named('user', {}),
    };
    writeFileSync(kubeconfig, JSON.stringify(config));
    return stub;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private answerTo(path: string): object | undefined {
    if (path === '/version') return { major: '1', minor: '33', gitVersion: 'v1.33.0' };
    if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] };
    if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: [] };
    if (path === '/api/v1') {
      const resources = RESOURCES.map((each) => ({ ...each, singularName: '', namespaced: true, verbs: ['get', 'list'] }));
      return { kind: 'APIResourceList', groupVersion: 'v1', resources };
    }
    const [, namespace, resource, name = ''] = /^\/api\/v1\/namespaces\/([^/]+)\/(secrets|serviceaccounts)\/([^/]+)$/.exec(path) ?? [];
    const metadata = { name, namespace };
    if (resource === 'serviceaccounts' && name === 'default') return { apiVersion: 'v1', kind: 'ServiceAccount', metadata };
    const data = resource === 'secrets' ? this.secrets.get(name) : undefined;
    return data && { apiVersion: 'v1', kind: 'Secret', metadata, data };
  }
}
