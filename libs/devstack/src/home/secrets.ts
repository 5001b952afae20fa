import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
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

/** Reads the secrets of this home, or makes them, readable by their owner only. @throws when the file is damaged. */
export async function secretsOf(home: Home): Promise<Secrets> {
  const made = { jwtSecret: secret(48), postgresPassword: secret(18), rabbitmqPassword: secret(18), redisPassword: secret(18) };
  try {
    await writeFile(home.secretsFile, `${JSON.stringify(made, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const found = Secrets.safeParse(JSON.parse(await readFile(home.secretsFile, 'utf8')));
  if (found.success) return found.data;
  throw new Error(`${home.secretsFile} is damaged. Restore it, or delete ${home.folder} and with it all data of this Parley.`);
}

function secret(bytes: number): string {
  return randomBytes(bytes).toString('base64url');
}
