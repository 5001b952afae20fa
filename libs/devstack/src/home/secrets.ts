import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Home } from './home.js';

const Secrets = z.object({
  jwtSecret: z.string().min(32),
  postgresPassword: z.string().min(1),
  rabbitmqPassword: z.string().min(1),
  redisPassword: z.string().min(1),
});
/** What the private servers and the gateway of this home are locked with. Never changed once made: the data depends on them. */
export type Secrets = z.infer<typeof Secrets>;

/**
 * Reads the secrets of this home, or makes them, readable by their owner only. Call it under the lock of the home. @throws when the file is
 * damaged.
 */
export async function secretsOf(home: Home): Promise<Secrets> {
  if (!existsSync(home.secretsFile)) return makeSecrets(home);
  const found = Secrets.safeParse(parsed(await readFile(home.secretsFile, 'utf8')));
  if (found.success) return found.data;
  throw new Error(`${home.secretsFile} is damaged. Restore it, or delete ${home.folder} and with it all data of this Parley.`);
}

async function makeSecrets(home: Home): Promise<Secrets> {
  const made = { jwtSecret: secret(48), postgresPassword: secret(18), rabbitmqPassword: secret(18), redisPassword: secret(18) };
  // Under another name first: a start that is killed in the middle must not leave a file that every later one refuses.
  const draft = `${home.secretsFile}.new`;
  await writeFile(draft, `${JSON.stringify(made, undefined, 2)}\n`, { mode: 0o600, flush: true });
  await rename(draft, home.secretsFile);
  return made;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function secret(bytes: number): string {
  return randomBytes(bytes).toString('base64url');
}
