import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { parleyHome } from '#lib/devstack/home/home';
import { notFound, runningStack } from '#lib/devstack/home/running-stack';
import { commandFor, startDetachedCommand } from '#lib/devstack/installation';
import { Explained } from '#lib/devstack/terminal/explain';
import { EXIT_CONFIG, settings } from '#lib/runtime/config/config';
import { operatorEnvironment } from './operator-config.js';

/** What tokens are signed with, whom they are for, and how long the gateway lets them live. */
interface Signing {
  readonly secret: string;
  readonly audience: string;
  readonly maxLifeSeconds: number;
}

/** A gateway to talk to, and the secret that it checks tokens with. */
export interface FoundParley extends Signing {
  readonly url: string;
}

/** The gateway at `url`, else the one that `npm start` runs here. @throws Explained when there is none, or no secret to sign tokens with. */
export async function findParley(url: string | undefined): Promise<FoundParley> {
  if (url !== undefined && !URL.canParse(url)) throw new Explained(`--url ${url} is not a URL: for example http://localhost:8080`, 2);
  const stack = await runningStack();
  if (url === undefined && stack === undefined) {
    throw new Explained(`${notFound()}, in another terminal, or ${startDetachedCommand}; or name one with --url and AUTH_JWT_SECRET.`);
  }
  if (url === undefined && stack?.phase !== 'ready') {
    throw new Explained(`Parley is ${stack?.phase}: try again when \`${commandFor('status')}\` says that everything is ready.`);
  }
  return { url: url ?? stack?.gatewayUrl ?? '', ...(await findSecret()) };
}

/** What tokens are signed with: of the environment, else of the running stack, else what `npm start` keeps. @throws Explained when there is none. */
export async function findSecret(): Promise<Signing> {
  const { env } = await operatorEnvironment();
  const secret = env['AUTH_JWT_SECRET'] ?? (await keptSecret());
  if (secret === undefined) {
    throw new Explained(
      `no secret to sign with: set AUTH_JWT_SECRET to the one that the gateway has, or run \`${commandFor('start')}\` once, which makes one.`,
    );
  }
  if (Buffer.byteLength(secret) < 32) throw new Explained('AUTH_JWT_SECRET must have at least 32 bytes', EXIT_CONFIG);
  const maxLife = settings.AUTH_TOKEN_MAX_LIFE_S.schema.safeParse(env['AUTH_TOKEN_MAX_LIFE_S']);
  if (!maxLife.success) throw new Explained('AUTH_TOKEN_MAX_LIFE_S must be a number of seconds from 60 to 315360000', EXIT_CONFIG);
  return { secret, audience: env['AUTH_AUDIENCE'] ?? settings.AUTH_AUDIENCE.schema.parse(undefined), maxLifeSeconds: maxLife.data };
}

async function keptSecret(): Promise<string | undefined> {
  const text = await readFile(parleyHome().secretsFile, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  return z.object({ jwtSecret: z.string() }).safeParse(JSON.parse(text)).data?.jwtSecret;
}
