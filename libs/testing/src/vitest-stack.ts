import type { TestProject } from 'vitest/node';
import { startPrivateStack, type PrivateStack } from '#lib/devstack/private-stack';

/** Where the servers of this test run are. All in the URLs: `rabbitmqManagementUrl` carries user and password. */
export interface StackUrls {
  readonly databaseUrl: string;
  readonly rabbitmqUrl: string;
  readonly rabbitmqManagementUrl: string;
  readonly redisUrl: string;
  readonly chromaUrl: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** The servers of this run; read it with `inject('stack')`. Shared by all files: take a fresh database and virtual host each. */
    stack: StackUrls;
  }
}

/** Kept on the global object because each project of the run loads its own copy of this module. */
const shared = globalThis as typeof globalThis & { parleyTestStack?: { users: number; started: Promise<PrivateStack> } };

/**
 * Vitest's global setup: one private stack for the whole run, however many projects ask for it. `PARLEY_TEST_STACK` with the JSON of
 * {@link StackUrls} uses one that already runs, so that the second run of a developer starts at once.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const existing = process.env['PARLEY_TEST_STACK'];
  if (existing) {
    project.provide('stack', parseUrls(existing));
    return async () => undefined;
  }
  const stack = (shared.parleyTestStack ??= {
    users: 0,
    started: startPrivateStack({ progress: (line) => process.stderr.write(`${line}\n`) }),
  });
  stack.users += 1;
  const { databaseUrl, rabbitmqUrl, rabbitmqManagementUrl, redisUrl, chromaUrl } = await stack.started;
  project.provide('stack', { databaseUrl, rabbitmqUrl, rabbitmqManagementUrl, redisUrl, chromaUrl });
  return async () => {
    stack.users -= 1;
    if (stack.users > 0) return;
    delete shared.parleyTestStack;
    await (await stack.started).stop();
  };
}

function parseUrls(json: string): StackUrls {
  const urls = JSON.parse(json) as StackUrls;
  const names = ['databaseUrl', 'rabbitmqUrl', 'rabbitmqManagementUrl', 'redisUrl', 'chromaUrl'] as const;
  const missing = names.filter((name) => typeof urls[name] !== 'string');
  if (missing.length > 0) throw new Error(`PARLEY_TEST_STACK lacks ${missing.join(', ')}`);
  return urls;
}
