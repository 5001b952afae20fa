import { randomBytes } from 'node:crypto';
import { rowsOf } from './rows-of.js';

/** A place of its own inside a shared server. */
export interface FreshPlace {
  readonly url: string;
  /** Removes it with everything in it, also while clients are still connected. */
  drop(): Promise<void>;
}

const TIMEOUT_MS = 15_000;

/** A new database inside this Postgres, for one test file: empty, or a copy of another one that no client is connected to. */
export async function freshDatabase(databaseUrl: string, template = 'template0'): Promise<FreshPlace> {
  const name = freshName();
  await rowsOf(databaseUrl, `create database ${name} template ${template}`);
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: async () => void (await rowsOf(databaseUrl, `drop database if exists ${name} with (force)`)) };
}

/** A new empty virtual host inside this RabbitMQ, for one test file. Takes the URLs as the stack gives them. */
export async function freshVhost({
  rabbitmqUrl,
  rabbitmqManagementUrl,
}: {
  readonly rabbitmqUrl: string;
  readonly rabbitmqManagementUrl: string;
}): Promise<FreshPlace & { readonly name: string }> {
  const name = freshName();
  await manage(rabbitmqManagementUrl, 'PUT', `vhosts/${name}`);
  const user = new URL(rabbitmqUrl).username;
  await manage(rabbitmqManagementUrl, 'PUT', `permissions/${name}/${user}`, { configure: '.*', write: '.*', read: '.*' });
  const url = new URL(rabbitmqUrl);
  url.pathname = `/${name}`;
  return { name, url: url.href, drop: () => manage(rabbitmqManagementUrl, 'DELETE', `vhosts/${name}`) };
}

function freshName(): string {
  return `test_${randomBytes(8).toString('hex')}`;
}

async function manage(managementUrl: string, method: 'PUT' | 'DELETE', path: string, body?: object): Promise<void> {
  const { origin, username, password } = new URL(managementUrl);
  const answer = await fetch(`${origin}/api/${path}`, {
    method,
    headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`, 'content-type': 'application/json' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok && answer.status !== 404) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
}
