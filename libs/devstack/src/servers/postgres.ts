import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { runOrThrow } from '../process/commands.js';
import { asPrivateServer, ServerProcess, type PrivateServer } from '../process/server-process.js';

/** Where and how a private Postgres runs. */
export interface PostgresOptions {
  /** Folder with `initdb` and `postgres`, such as /usr/lib/postgresql/15/bin. */
  readonly programs: string;
  /** Folder of its own, made when missing, readable by its owner only; the user below must be able to reach it. */
  readonly folder: string;
  readonly port: number;
  readonly password: string;
  readonly logFile: string;
  /** Says who the running server is; see `fromPidFile`. Not inside the folder, which belongs to another user. */
  readonly pidFile: string;
  /** Gives up a start that is under way. */
  readonly cancelled?: AbortSignal | undefined;
  /** The user to run as: Postgres refuses to run as root. Undefined: the user of this process. */
  readonly as: { readonly uid: number; readonly gid: number } | undefined;
}

const USER = 'parley';
const DATABASE = 'parley';

/** Starts a Postgres with real durability (fsync on) and one superuser and database, both named `parley`. */
export async function startPostgres(options: PostgresOptions): Promise<PrivateServer> {
  await createCluster(options);
  await writeSettings(options);
  const url = `postgres://${USER}:${options.password}@127.0.0.1:${options.port}/${DATABASE}`;
  const server = new ServerProcess({
    name: 'postgres',
    command: join(options.programs, 'postgres'),
    args: ['-D', options.folder],
    env: environment(),
    cwd: options.folder,
    as: options.as,
    logFile: options.logFile,
    pidFile: options.pidFile,
    cancelled: options.cancelled,
    stopSignal: 'SIGINT', // "fast": does not wait for clients to leave
    stopWithinMs: 20_000,
    readyWithinMs: 60_000, // recovery after a crash under load
    probe: () => answers(url),
  });
  await server.start();
  return asPrivateServer('postgres', url, options.logFile, server);
}

async function createCluster(options: PostgresOptions): Promise<void> {
  const { folder, as, password } = options;
  if (await isInitialised(folder)) return;
  await rm(folder, { recursive: true, force: true }); // what an interrupted initdb left
  await mkdir(dirname(folder), { recursive: true, mode: 0o711 });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const passwordFile = `${folder}.password`;
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (as !== undefined) for (const path of [folder, passwordFile]) await chown(path, as.uid, as.gid);
  try {
    const initdb = ['-D', folder, '-U', USER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8'];
    // C.UTF-8 knows the letters of all languages and sorts by code point, so that no index depends on the machine's language.
    const locale = process.platform === 'darwin' ? 'C' : 'C.UTF-8';
    await runOrThrow(join(options.programs, 'initdb'), [...initdb, `--locale=${locale}`], {
      timeoutMs: 60_000,
      as,
      cwd: folder,
      env: environment(),
    });
    await writeFile(join(folder, 'parley-initialised'), '', { mode: 0o600 });
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** Only the last step of making a cluster writes this file. */
async function isInitialised(folder: string): Promise<boolean> {
  return readFile(join(folder, 'parley-initialised')).then(
    () => true,
    () => false,
  );
}

async function writeSettings({ folder, port, as }: PostgresOptions): Promise<void> {
  const settings = [
    "listen_addresses = '127.0.0.1'",
    `port = ${port}`,
    "unix_socket_directories = ''",
    // 12 processes of 10 connections (`npm start -- --realtime 8`), or two Parleys of tests side by side.
    'max_connections = 150',
    'shared_buffers = 128MB',
    'fsync = on',
    'synchronous_commit = on',
    "timezone = 'UTC'",
    "log_timezone = 'UTC'",
    "log_line_prefix = '%m [%p] %a '",
    'log_checkpoints = off',
    'logging_collector = off',
  ];
  // Last in the folder's own settings file, so that it wins over what initdb wrote and can be rewritten at each start.
  const path = join(folder, 'parley.conf');
  await writeFile(path, `${settings.join('\n')}\n`);
  await chmod(path, 0o600);
  if (as !== undefined) await chown(path, as.uid, as.gid);
  const main = join(folder, 'postgresql.conf');
  const text = await readFile(main, 'utf8');
  const include = "include = 'parley.conf'";
  if (!text.includes(include)) await writeFile(main, `${text}\n${include}\n`);
}

/** Variables such as PGDATA or PGPORT of the caller belong to another Postgres. */
function environment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'));
  return { ...Object.fromEntries(inherited), LC_ALL: 'C', TZ: 'UTC' };
}

/** Makes the database when it is not there: `parley` as user, then as database, so one probe covers initdb's leftovers too. */
async function answers(url: string): Promise<void> {
  const maintenance = new URL(url);
  maintenance.pathname = '/postgres';
  const client = new Client({ connectionString: maintenance.href, connectionTimeoutMillis: 2_000, query_timeout: 2_000 });
  client.on('error', () => undefined); // the attempt below already fails with it
  await client.connect();
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}
