import type { TestProject } from 'vitest/node';
import 'reflect-metadata';
import { migratedTemplate } from './migrated-database.js';
import { startPrivateStack, type PrivateStack } from '#lib/devstack/private-stack';

/** Where the servers of this test run are. All in the URLs: `rabbitmqManagementUrl` carries user and password. */
export interface StackUrls {
  readonly databaseUrl: string;
  readonly rabbitmqUrl: string;
  readonly rabbitmqManagementUrl: string;
  readonly redisUrl: string;
  readonly chromaUrl: string;
  /** The name of a database in there that has Parley's schema and grants, to be copied: a tenth of the time of migrating one. */
  readonly template?: string;
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
    return provideWithTemplate(project, parseUrls(existing));
  }
  const stack = (shared.parleyTestStack ??= {
    users: 0,
    started: startPrivateStack({ progress: (line) => process.stderr.write(`${line}\n`) }),
  });
  stack.users += 1;
  const { databaseUrl, rabbitmqUrl, rabbitmqManagementUrl, redisUrl, chromaUrl } = await stack.started;
  const dropTemplate = await provideWithTemplate(project, { databaseUrl, rabbitmqUrl, rabbitmqManagementUrl, redisUrl, chromaUrl });
  return async () => {
    await dropTemplate();
    stack.users -= 1;
    if (stack.users > 0) return;
    delete shared.parleyTestStack;
    await (await stack.started).stop();
  };
}

/** Returns what removes the template again. */
async function provideWithTemplate(project: TestProject, urls: StackUrls): Promise<() => Promise<void>> {
  const template = await migratedTemplate(urls.databaseUrl);
  project.provide('stack', { ...urls, template: new URL(template.url).pathname.slice(1) });
  return () => template.drop();
}

function parseUrls(json: string): StackUrls {
  const urls = JSON.parse(json) as StackUrls;
  const names = ['databaseUrl', 'rabbitmqUrl', 'rabbitmqManagementUrl', 'redisUrl', 'chromaUrl'] as const;
  const missing = names.filter((name) => typeof urls[name] !== 'string');
  if (missing.length > 0) throw new Error(`PARLEY_TEST_STACK lacks ${missing.join(', ')}`);
  return urls;
}
