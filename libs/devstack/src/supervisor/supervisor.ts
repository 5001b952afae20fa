import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HomeLock } from '../embedded/home-lock.js';
import { runCommand } from '../process/commands.js';
import type { ComposeProject } from '../provisioning/docker-engine.js';
import { dropLock, lockHolder, takeLock } from '../process/lock-file.js';
import { isPortFree } from '../ports/free-ports.js';
import { identify } from '../process/process-identity.js';
import type { DependencyName } from '../provisioning/programs.js';
import { projectRoot } from '../project-root.js';
import { urlVariables } from '../provisioning/provisioning.js';
import { importRabbitmqUsers } from '../servers/service-logins.js';
import { asPrivateServer, type PrivateServer } from '../process/server-process.js';
import { serviceProcess } from '../process/service-process.js';
import { composeProject, type PlannedDependency, planDependencies, provideDependencies, startPrivately, valueOf } from './dependencies.js';
import { Explained, reasonOf } from '../terminal/explain.js';
import type { Home } from '../home/home.js';
import { KeepAlive } from './keep-alive.js';
import { Lending } from './lending.js';
import { findLeftovers, type Leftover, serviceRunFolder, stopLeftovers } from '../home/leftovers.js';
import { portOwner } from '../ports/port-owner.js';
import { consoleSettings } from '../console-settings.js';
import { planPorts, type PortPlan, PortProblem, portWishes } from '../ports/port-plan.js';
import { type Secrets, secretsOf } from '../home/secrets.js';
import { environmentFor, migrationEnvironment, settingsIn } from './service-environment.js';
import type { Processes, ServiceRow } from '../services.js';
import { type Loan, readState, removeState, type StackState, writeState } from '../home/state.js';
import { SpanReceiver } from '../traces/span-receiver.js';
import type { Terminal } from './terminal.js';

const SERVICE_READY_WITHIN_MS = 60_000;
const REACHABLE_WITHIN_MS = 5_000;

/** What the stack is made of, as decided at start. */
interface Plan {
  readonly ports: PortPlan;
  readonly secrets: Secrets;
  readonly dependencies: readonly PlannedDependency[];
  /** What every process is given; servers under the administrator's logins. */
  readonly environment: Readonly<Record<string, string>>;
}

type Settled = Pick<Plan, 'ports' | 'dependencies' | 'environment'>;

/**
 * Runs one stack: what Parley stands on, the migration, the services. Starts again what dies, and ends all of it in order.
 *
 *   start ──▶ starting ──▶ ready ──▶ stopping ──▶ gone
 *                └────── something fails, or stop ──▲
 */
export class Supervisor {
  private readonly servers = new Map<DependencyName, PrivateServer>();
  private readonly running = new Map<string, PrivateServer>();
  private readonly stopping = new AbortController();
  private spans: SpanReceiver | undefined;
  private readonly keepAlive: KeepAlive;
  private readonly lending: Lending;
  private compose: ComposeProject | undefined;
  private plan: Plan | undefined;
  private phase: StackState['phase'] = 'starting';
  private hasLock = false;
  private readonly self = identify(process.pid);
  private starting: Promise<unknown> = Promise.resolve();
  private stopped: Promise<void> | undefined;
  private recorded: Promise<void> = Promise.resolve();

  constructor(
    private readonly home: Home,
    private readonly processes: Processes,
    private readonly env: NodeJS.ProcessEnv,
    private readonly terminal: Terminal,
    private readonly options: { readonly keepsTraces: boolean } = { keepsTraces: false },
  ) {
    this.keepAlive = new KeepAlive(
      (line) => terminal.say(line),
      () => this.record(),
      (name) => this.lending.isLent(name),
    );
    this.lending = new Lending({
      home,
      services: this.running,
      bringBack: (service) => this.keepAlive.bringBack(service),
      tell: (line) => terminal.say(line),
      changed: () => this.record(),
    });
  }

  /** Brings everything up. @throws when that is not possible or {@link stop} was called meanwhile; then call stop to clean up. */
  async start(): Promise<StackState> {
    const starting = this.bringUp();
    this.starting = starting.catch(() => undefined);
    return starting;
  }

  /** Ends everything in order: services drain, then what they stand on. Safe to call at any time and more than once. */
  stop(): Promise<void> {
    return (this.stopped ??= this.bringDown());
  }

  private async bringDown(): Promise<void> {
    this.stopping.abort();
    const revivals = this.keepAlive.stop();
    await this.starting;
    if (!this.hasLock) return this.lending.stop();
    // First, so that a borrower does not wait for its service to come back while this waits for the borrower.
    this.phase = 'stopping';
    this.record();
    await this.recorded;
    await this.lending.stop();
    await Promise.all([...this.running].map(([name, service]) => this.drain(name, service)));
    await this.spans?.stop();
    await Promise.all([...this.servers.values()].map((server) => server.stop()));
    if (this.compose !== undefined) await this.compose.down().catch((error: Error) => this.terminal.say(error.message));
    await revivals;
    await this.recorded;
    await removeState(this.home);
    await dropLock(this.home.lockFile);
    this.hasLock = false;
  }

  private async bringUp(): Promise<StackState> {
    await this.claimHome();
    const plan = (this.plan = await this.makePlan());
    this.record();
    await this.provide(plan);
    await this.startServices(plan);
    this.refuseWhenStopping();
    for (const each of [...this.servers.values(), ...this.running.values()]) this.keepAlive.watch(each);
    this.lending.begin();
    this.phase = 'ready';
    this.record();
    await this.recorded;
    return this.snapshot(plan);
  }

  private async claimHome(): Promise<void> {
    await mkdir(this.home.folder, { recursive: true });
    await mkdir(serviceRunFolder(this.home), { recursive: true });
    if (!(await takeLock(this.home.lockFile))) throw new Explained(await this.whoIsHere());
    // In this order, as the embedded mode does it: of two that start at the same moment at least one sees the other.
    if (HomeLock.isClaimed(this.home.embeddedLock)) {
      await dropLock(this.home.lockFile);
      throw new Explained(await this.whoIsHere());
    }
    this.hasLock = true;
    const leftovers = await findLeftovers(this.home);
    if (leftovers.length > 0) await this.clearUp(leftovers);
    // What a killed run wrote down is not true of this one: from here on the record is ours or absent.
    await removeState(this.home);
  }

  private async clearUp(leftovers: readonly Leftover[]): Promise<void> {
    this.terminal.say(
      `an earlier run was killed and left ${leftovers.map(({ name }) => name).join(', ')} behind; stopping ${leftovers.length === 1 ? 'it' : 'them'}`,
    );
    await stopLeftovers(leftovers);
  }

  private async whoIsHere(): Promise<string> {
    const found = await readState(this.home);
    const holder = found?.supervisor ?? (await lockHolder(this.home.lockFile));
    return [
      `Parley already runs from ${this.home.folder} (pid ${holder?.pid ?? 'unknown'}${found === undefined ? '' : `, ${found.state.gatewayUrl}`}).`,
      'See it with `npm run status`, end it with `npm run stop`, or run a second one with PARLEY_HOME=<folder> and PARLEY_PORT_BASE=<port>.',
    ].join('\n');
  }

  private async makePlan(): Promise<Plan> {
    const missing = this.processes.services.find(({ entry }) => !existsSync(resolve(projectRoot, entry)));
    if (missing !== undefined) throw new Explained(`${missing.entry} is missing: the build did not make it`);
    const origins = await provideDependencies(this.env, (line) => this.terminal.say(line)).catch((error: unknown) => {
      throw new Explained(messageOf(error));
    });
    this.refuseWhenStopping();
    const isOurs = (name: string) => origins.get(dependencyOf(name)) !== 'env';
    const wishes = portWishes(this.processes.services, this.env).filter(({ name }) => isOurs(name));
    const ports = await planPorts(wishes, { isFree: isPortFree, ownerOf: portOwner }).catch((error: Error) => {
      throw error instanceof PortProblem ? new Explained(error.message) : error;
    });
    for (const { name, port } of wishes) {
      if (ports.get(name) !== port) this.terminal.say(`port ${port} is taken, so ${name} gets ${ports.get(name)}`);
    }
    const secrets = await secretsOf(this.home);
    const dependencies = planDependencies(origins, { env: this.env, ports, secrets });
    const environment = {
      ...this.environment(dependencies, secrets),
      ...consoleSettings(this.env, ports.get('gateway') ?? 0, ports.get('realtime-1') ?? 0),
      ...(await this.traceSettings()),
    };
    return { ports, secrets, dependencies, environment };
  }

  /** Where spans go: to what the environment names, else, when they are to be kept, to a receiver of this process, every one of them. */
  private async traceSettings(): Promise<Record<string, string>> {
    if (!this.options.keepsTraces || this.env['OTEL_EXPORTER_OTLP_ENDPOINT']) return {};
    this.spans = new SpanReceiver(this.home.traces);
    return { OTEL_EXPORTER_OTLP_ENDPOINT: await this.spans.start(), OTEL_TRACES_SAMPLER_ARG: this.env['OTEL_TRACES_SAMPLER_ARG'] || '1' };
  }

  /** What all services are given on top of what this process was given. */
  private environment(dependencies: readonly PlannedDependency[], secrets: Secrets): Record<string, string> {
    const managementUrl = dependencies.find(({ name }) => name === 'rabbitmq')?.managementUrl;
    const jwtSecret = valueOf(this.env, 'AUTH_JWT_SECRET') ?? (this.env['AUTH_JWKS_URL'] ? undefined : secrets.jwtSecret);
    return {
      HOST: this.env['HOST'] || '127.0.0.1',
      // One port for all of them would be taken by the first.
      OPERATIONS_PORT: '',
      DB_POOL_BUDGET_PROCESSES: this.env['DB_POOL_BUDGET_PROCESSES'] || String(this.processes.services.length),
      OBJECT_STORE_URL: this.env['OBJECT_STORE_URL'] || pathToFileURL(join(this.home.dependencies, 'objects')).href,
      ...Object.fromEntries(dependencies.map(({ name, url }) => [urlVariables[name], url])),
      ...(managementUrl === undefined ? {} : { RABBITMQ_MANAGEMENT_URL: managementUrl }),
      ...(jwtSecret === undefined ? {} : { AUTH_JWT_SECRET: jwtSecret }),
    };
  }

  /** Everything at once; the migration waits for Postgres only. */
  private async provide(plan: Plan): Promise<void> {
    const startOf = new Map<DependencyName, Promise<void>>();
    const contained = plan.dependencies.filter(({ origin }) => origin === 'docker');
    const containers = contained.length === 0 ? undefined : this.startContainers(contained, plan);
    for (const each of plan.dependencies) {
      if (each.origin === 'local') startOf.set(each.name, this.startPrivateServer(each.name, plan));
      else startOf.set(each.name, each.origin === 'docker' ? (containers ?? Promise.resolve()) : this.checkReachable(each));
    }
    const migrated = startOf.get('postgres')?.then(() => this.migrate(plan));
    const users = startOf.get('rabbitmq')?.then(() => this.makeRabbitmqUsers(plan));
    // All settle before the first failure is reported, so that stop finds everything that came up.
    const outcomes = await Promise.allSettled([...startOf.values(), migrated, users]);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw new Explained(messageOf(failed.reason));
  }

  private async startPrivateServer(name: DependencyName, { ports, secrets }: Plan): Promise<void> {
    const startedAt = performance.now();
    const server = await startPrivately(name, { home: this.home, ports, secrets, cancelled: this.stopping.signal });
    this.servers.set(name, server);
    this.record();
    this.terminal.say(`${name} is ready (${seconds(startedAt)})`);
  }

  private async startContainers(contained: readonly PlannedDependency[], { ports, secrets }: Plan): Promise<void> {
    const names = contained.map(({ name }) => name);
    this.terminal.say(`starting ${names.join(', ')} with Docker (the first time, it downloads images) ...`);
    this.compose = composeProject(this.home, ports, secrets);
    await this.compose.up(names);
    this.terminal.say(`${names.join(', ')} are ready`);
  }

  private async checkReachable({ name, url }: PlannedDependency): Promise<void> {
    const { hostname, port, host } = new URL(url);
    const standardPort = { postgres: 5432, rabbitmq: 5672, redis: 6379, chroma: url.startsWith('https:') ? 443 : 80 }[name];
    if (await canConnect(hostname, Number(port) || standardPort)) return;
    throw new Explained(
      `${urlVariables[name]} points to ${host}, and nothing answers there. Start that ${name}, or unset the variable to use a private one.`,
    );
  }

  /** In a RabbitMQ of ours; users of one that was given are its administrator's business. */
  private async makeRabbitmqUsers({ dependencies }: Plan): Promise<void> {
    const { origin, managementUrl } = dependencies.find(({ name }) => name === 'rabbitmq') ?? {};
    if (origin === 'env' || managementUrl === undefined) return;
    this.refuseWhenStopping();
    await importRabbitmqUsers(managementUrl, 'parley');
  }

  private async migrate({ environment, dependencies }: Plan): Promise<void> {
    this.refuseWhenStopping();
    const { migration } = this.processes;
    const startedAt = performance.now();
    let output = '';
    const show = this.terminal.outputOf('migrate');
    const { code } = await runCommand(
      process.execPath,
      ['--enable-source-maps', resolve(projectRoot, migration.entry), ...migration.args],
      {
        timeoutMs: migration.timeoutMs,
        env: { ...this.env, ...migrationEnvironment({ environment, dependencies }) },
        cwd: projectRoot,
        cancelled: this.stopping.signal,
        onOutput: (chunk) => {
          output += chunk;
          show(chunk, 'stdout');
        },
      },
    );
    this.refuseWhenStopping();
    if (code !== 0) throw new Explained(`the migration failed (code ${code}):\n${output.trim().split('\n').slice(-15).join('\n')}`);
    this.terminal.say(`database schema is up to date (${seconds(startedAt)})`);
  }

  private async startServices(plan: Plan): Promise<void> {
    this.refuseWhenStopping();
    const outcomes = await Promise.allSettled(this.processes.services.map((row) => this.startService(row, plan)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw new Explained(messageOf(failed.reason));
  }

  private async startService({ name, app, entry, stopWithinMs }: ServiceRow, plan: Plan): Promise<void> {
    const { ports } = plan;
    const startedAt = performance.now();
    const port = ports.get(name) ?? 0;
    const logFile = join(this.home.logs, `${name}.log`);
    const output = this.terminal.outputOf(name);
    const service = serviceProcess({
      name,
      app,
      url: `http://127.0.0.1:${port}`,
      entry: resolve(projectRoot, entry),
      env: { ...this.env, ...this.settingsOf(name, plan) },
      logFile,
      onOutput: output,
      pidFile: join(serviceRunFolder(this.home), `${name}.pid`),
      stopWithinMs,
      readyWithinMs: SERVICE_READY_WITHIN_MS,
      cancelled: this.stopping.signal,
    });
    this.running.set(name, asPrivateServer(name, `http://localhost:${port}`, logFile, service));
    await service.start();
    this.record();
    this.terminal.say(`${name} is ready (${seconds(startedAt)})`);
  }

  private settingsOf(name: string, plan: Settled): Record<string, string> {
    const app = this.processes.services.find((row) => row.name === name)?.app ?? name;
    return { ...environmentFor(app, plan), PORT: String(plan.ports.get(name) ?? 0), ...(app === 'ops' ? this.whatOpsWatches(plan) : {}) };
  }

  private whatOpsWatches({ ports }: Settled): Record<string, string> {
    const all = this.processes.services.map(({ name }) => `http://127.0.0.1:${ports.get(name) ?? 0}/metrics`);
    return { METRICS_TARGETS: this.env['METRICS_TARGETS'] || all.join(',') };
  }

  private loanOf(name: string, plan: Settled): { lent?: Loan } {
    const to = this.lending.borrowerOf(name);
    return to === undefined ? {} : { lent: { to, environment: { ...settingsIn(this.env), ...this.settingsOf(name, plan) } } };
  }

  private async drain(name: string, service: PrivateServer): Promise<void> {
    if (service.pid === undefined) return;
    const startedAt = performance.now();
    await service.stop();
    this.terminal.say(`${name} has stopped (${seconds(startedAt)})`);
  }

  private refuseWhenStopping(): void {
    if (this.stopping.signal.aborted) throw new Explained('stopped while starting');
  }

  private record(): void {
    const { plan } = this;
    if (plan === undefined) return;
    // One after the other, each with what is true when its turn comes. A full disk does not end what runs.
    this.recorded = this.recorded
      .then(() => writeState(this.home, this.snapshot(plan)))
      .catch((error: unknown) => this.terminal.say(`what runs could not be written down: ${reasonOf(error)}`));
  }

  private snapshot({ ports, dependencies, environment }: Plan): StackState {
    return {
      phase: this.phase,
      supervisor: this.self,
      gatewayUrl: `http://localhost:${ports.get('gateway') ?? 0}`,
      services: this.processes.services.map(({ name, app }) => ({
        name,
        app,
        url: `http://localhost:${ports.get(name) ?? 0}`,
        ...processOf(this.running.get(name)),
        ...this.loanOf(name, { ports, dependencies, environment }),
      })),
      dependencies: dependencies.map(({ name, url, origin }) => ({
        name,
        url,
        origin,
        ...(origin === 'docker' && this.compose !== undefined ? { composeProject: this.compose.name } : {}),
        ...processOf(this.servers.get(name)),
      })),
      environment: environmentFor('cli', { environment, dependencies }),
      migration: migrationEnvironment({ environment, dependencies }),
      managementUrl: dependencies.find(({ name }) => name === 'rabbitmq')?.managementUrl,
    };
  }
}

function processOf(server: PrivateServer | undefined): { process?: NonNullable<ReturnType<typeof identify>> } {
  const process = server?.pid === undefined ? undefined : identify(server.pid);
  return process === undefined ? {} : { process };
}

/** `rabbitmq-management` belongs to `rabbitmq`; a service's port to no dependency. */
function dependencyOf(wish: string): DependencyName {
  return wish.split('-')[0] as DependencyName;
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1_000).toFixed(1)} s`;
}

function canConnect(host: string, port: number): Promise<boolean> {
  return new Promise((answered) => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port, timeout: REACHABLE_WITHIN_MS });
    const settle = (answer: boolean) => {
      socket.destroy();
      answered(answer);
    };
    socket.once('connect', () => settle(true));
    for (const event of ['error', 'timeout'] as const) socket.once(event, () => settle(false));
  });
}
