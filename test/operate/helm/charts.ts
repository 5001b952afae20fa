import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { runCommand, runOrThrow } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';

/** The apps with a chart of their own. */
export const apps = ['gateway', 'realtime', 'embedding', 'scoring', 'delivery', 'ops'] as const;
export type App = (typeof apps)[number];
/** All charts that can be installed. */
export const charts = [...apps, 'parley'] as const;
export type Chart = (typeof charts)[number];

/** Kinds of other projects that the charts can make; `helm template` has to be told that a cluster serves them. */
const APIS = ['monitoring.coreos.com/v1', 'keda.sh/v1alpha1', 'gateway.networking.k8s.io/v1'];
/** A release of everything is 200,000 characters of manifests. */
const KEPT_CHARS = 5_000_000;
const WITHIN_MS = 60_000;

/** What a chart became, or why it did not. */
export interface Rendered {
  readonly code: number;
  /** The manifests as Helm printed them. */
  readonly text: string;
  readonly manifests: readonly Manifest[];
  readonly error: string;
}

/** As much of a Kubernetes object as tests look at. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // oxlint-disable-next-line typescript/no-explicit-any -- each kind has another shape, and the test says which it means
  readonly [field: string]: any;
}

/** The charts with their dependencies, in a copy: nothing is written into the checkout. */
export class Charts implements Disposable {
  private constructor(
    readonly helm: string,
    readonly folder: string,
  ) {}

  /** The apps first: the umbrella would pack them without the library otherwise, and say nothing. */
  static async built(helm: string): Promise<Charts> {
    const built = new Charts(helm, mkdtempSync(join(tmpdir(), 'parley-charts-')));
    const isBuilt = (path: string) => !/\/helm\/[^/]+\/(charts|Chart\.lock)$/.test(path);
    cpSync(join(projectRoot, 'helm'), built.folder, { recursive: true, filter: isBuilt });
    for (const chart of charts) await runOrThrow(helm, ['dependency', 'build', chart], { timeoutMs: WITHIN_MS, cwd: built.folder });
    return built;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }

  /** The scenarios of a chart: its `ci/*.yaml`. */
  static scenariosOf(chart: Chart): string[] {
    return readdirSync(join(projectRoot, 'helm', chart, 'ci')).map((file) => file.replace(/\.yaml$/, ''));
  }

  lint(chart: Chart, scenario: string) {
    return this.run('lint', chart, '--strict', '--values', `${chart}/ci/${scenario}.yaml`);
  }

  /** Renders a scenario with values of one's own on top, as release `parley`. */
  async render(chart: Chart, scenario = 'default', values: object = {}, apis: readonly string[] = APIS): Promise<Rendered> {
    return this.template(chart, [...this.files(chart, scenario, values), ...apis.flatMap((api) => ['--api-versions', api])]);
  }

  /** The same in namespace `chat` of a cluster that answers what templates look up. */
  async renderInCluster(chart: Chart, scenario: string, values: object, kubeconfig: string): Promise<Rendered> {
    const cluster = ['--dry-run=server', '--kubeconfig', kubeconfig, '--namespace', 'chat'];
    return this.template(chart, [...this.files(chart, scenario, values), ...cluster]);
  }

  private files(chart: Chart, scenario: string, values: object): string[] {
    const own = join(this.folder, `values-${Math.random().toString(36).slice(2)}.json`);
    writeFileSync(own, JSON.stringify(values));
    return ['--values', `${chart}/ci/${scenario}.yaml`, '--values', own];
  }

  private async template(chart: Chart, options: readonly string[]): Promise<Rendered> {
    const { code, stdout, stderr } = await this.run('template', 'parley', chart, ...options);
    return { code, text: stdout, manifests: code === 0 ? manifestsIn(stdout) : [], error: stderr };
  }

  private run(...args: string[]) {
    return runCommand(this.helm, args, { timeoutMs: WITHIN_MS, cwd: this.folder, keptChars: KEPT_CHARS });
  }
}

function manifestsIn(text: string): Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** The templates of pods in these manifests, by the name of what makes them. */
export function podsIn(manifests: readonly Manifest[]): Map<string, Manifest> {
  const makers = manifests.filter(({ kind }) => ['Deployment', 'StatefulSet', 'Job', 'DaemonSet', 'CronJob'].includes(kind));
  return new Map(makers.map((maker) => [maker.metadata.name, maker['spec'].template as Manifest]));
}

/** The one object of a kind with this name. @throws Error when there is none. */
export function named(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name}`);
  return found;
}
