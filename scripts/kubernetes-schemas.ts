import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { runOrThrow } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { explainAndExit } from '#lib/devstack/terminal/explain';

/**
 * Makes the JSON schemas of test/operate/schemas anew: `npm run build && node dist/scripts/kubernetes-schemas.js`. No registry has them ready-made,
 * but the Go proxy has the sources that describe each kind. Needs go; 400 MB in its module cache. Run it for another version, then commit.
 */
const MODULES = {
  kubernetes: 'k8s.io/kubernetes@v1.36.3',
  prometheus: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
  keda: 'github.com/kedacore/keda/v2@v2.21.0',
  gateway: 'sigs.k8s.io/gateway-api@v1.4.0',
} as const;

/** Definitions of the OpenAPI document of Kubernetes that the charts use. */
const KINDS = [
  'io.k8s.api.core.v1.ConfigMap',
  'io.k8s.api.core.v1.Service',
  'io.k8s.api.core.v1.ServiceAccount',
  'io.k8s.api.apps.v1.Deployment',
  'io.k8s.api.apps.v1.StatefulSet',
  'io.k8s.api.batch.v1.Job',
  'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler',
  'io.k8s.api.policy.v1.PodDisruptionBudget',
  'io.k8s.api.networking.v1.Ingress',
  'io.k8s.api.networking.v1.NetworkPolicy',
] as const;

/** Files of custom resource definitions, by module. */
const CUSTOM: readonly (readonly [module: keyof typeof MODULES, file: string, version: string])[] = [
  ['prometheus', 'example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml', 'v1'],
  ['prometheus', 'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml', 'v1'],
  ['keda', 'config/crd/bases/keda.sh_scaledobjects.yaml', 'v1alpha1'],
  ['keda', 'config/crd/bases/keda.sh_triggerauthentications.yaml', 'v1alpha1'],
  ['gateway', 'config/crd/standard/gateway.networking.k8s.io_httproutes.yaml', 'v1'],
];

type Node = Record<string, unknown>;
interface KindOf {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const DOWNLOAD_WITHIN_MS = 300_000;
const target = join(projectRoot, 'test', 'operate', 'schemas');

/** Fields of a schema that only people and servers read. */
const DROPPED = new Set(['description', 'format', 'default', 'example', 'x-kubernetes-validations']);

try {
  await makeAll();
} catch (error) {
  explainAndExit(error);
}

async function makeAll(): Promise<void> {
  const folders = Object.fromEntries(
    await Promise.all(Object.entries(MODULES).map(async ([name, module]) => [name, await folderOf(module)] as const)),
  ) as Record<keyof typeof MODULES, string>;
  mkdirSync(target, { recursive: true });
  const { definitions } = JSON.parse(readFileSync(join(folders.kubernetes, 'api/openapi-spec/swagger.json'), 'utf8')) as {
    definitions: Record<string, Node>;
  };
  for (const name of KINDS) {
    const root = definitions[name] ?? {};
    const [which] = root['x-kubernetes-group-version-kind'] as KindOf[];
    if (which !== undefined) write(which, { ...rooted(strict(root) as Node, which), definitions: reachableFrom(root, definitions) });
  }
  for (const [module, file, version] of CUSTOM) {
    // Each of them is one document behind a `---`.
    const { spec } = parse(readFileSync(join(folders[module], file), 'utf8')) as {
      spec: { group: string; names: { kind: string }; versions: { name: string; schema: { openAPIV3Schema: Node } }[] };
    };
    const schema = spec.versions.find(({ name }) => name === version)?.schema.openAPIV3Schema ?? {};
    const which = { group: spec.group, version, kind: spec.names.kind };
    write(which, rooted(strict(schema) as Node, which));
  }
  cpSync(join(folders.kubernetes, 'LICENSE'), join(target, 'LICENSE'));
}

/** Where the Go client keeps the sources of a module. */
async function folderOf(module: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-schemas-'));
  try {
    writeFileSync(join(folder, 'go.mod'), 'module schemas\n\ngo 1.24\n');
    const { stdout } = await runOrThrow('go', ['mod', 'download', '-json', module], { timeoutMs: DOWNLOAD_WITHIN_MS, cwd: folder });
    return (JSON.parse(stdout) as { Dir: string }).Dir;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Kubeconform looks a file up by kind, first part of the group, and version. */
function write({ group, version, kind }: KindOf, schema: Node): void {
  const suffix = [kind, group.split('.')[0], version].filter(Boolean).join('-').toLowerCase();
  writeFileSync(join(target, `${suffix}.json`), `${JSON.stringify(schema)}\n`);
}

/** The document itself: kind and version are exactly these. What a chart writes has no status. */
function rooted(schema: Node, { group, version, kind }: KindOf): Node {
  const { status: _, ...properties } = schema['properties'] as Node;
  return {
    ...schema,
    properties: {
      ...properties,
      apiVersion: { const: group === '' ? version : `${group}/${version}` },
      kind: { const: kind },
      metadata:
        properties['metadata'] !== undefined && '$ref' in (properties['metadata'] as Node) ? properties['metadata'] : { type: 'object' },
    },
    required: [...new Set([...((schema['required'] as string[] | undefined) ?? []), 'apiVersion', 'kind', 'metadata'])],
  };
}

function reachableFrom(root: Node, definitions: Record<string, Node>): Node {
  const found: Node = {};
  const visit = (value: unknown): void => {
    if (value === null || typeof value !== 'object') return;
    for (const [key, inner] of Object.entries(value)) {
      if (key !== '$ref' || typeof inner !== 'string') visit(inner);
      else follow(inner.replace('#/definitions/', ''));
    }
  };
  const follow = (name: string): void => {
    if (name in found) return;
    const definition = definitions[name] ?? {};
    found[name] = special(name) ?? strict(definition);
    visit(definition);
  };
  visit(root);
  return found;
}

/** Types that Kubernetes reads from more than one kind of value. */
function special(name: string): Node | undefined {
  if (name.endsWith('.IntOrString')) return { oneOf: [{ type: 'string' }, { type: 'integer' }] };
  if (name.endsWith('.resource.Quantity'))
    return { oneOf: [{ type: 'string', pattern: '^[+-]?[0-9.]+([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?$' }, { type: 'number' }] };
  return undefined;
}

/** Unknown fields are mistakes: `additionalProperties: false` wherever fields are named. Without what only people read. */
function strict(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strict);
  if (value === null || typeof value !== 'object') return value;
  const node = value as Node;
  if (node['x-kubernetes-int-or-string'] === true) return { oneOf: [{ type: 'string' }, { type: 'integer' }] };
  const kept = Object.entries(node).flatMap(([key, inner]): [string, unknown][] => {
    if (key === 'properties') return [[key, Object.fromEntries(Object.entries(inner as Node).map(([name, each]) => [name, strict(each)]))]];
    return DROPPED.has(key) || key.startsWith('x-kubernetes-') ? [] : [[key, strict(inner)]];
  });
  const isOpen = !('properties' in node) || 'additionalProperties' in node || node['x-kubernetes-preserve-unknown-fields'] === true;
  return { ...Object.fromEntries(kept), ...(isOpen ? {} : { additionalProperties: false }) };
}
